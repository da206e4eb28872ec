// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// No heap in a step, from the first one on, nor in a layer.
#define EIGEN_RUNTIME_NO_MALLOC
#include "support/count_allocations.hpp"

#include <lorapro/events/csv_log.hpp>
#include <lorapro/events/json_lines_log.hpp>
#include <lorapro/events/progress_line.hpp>
#include <lorapro/events/tensorboard_log.hpp>
#include <lorapro/lorapro.hpp>

#include <thread>  // std::thread

#include "support/pair_buffers.hpp"
#include "support/pseudo_terminal.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace rule_battery;

TEST_CASE("the counters count", "[no_heap]") {
  CHECK(allocations_of([] { ::operator delete(::operator new(8)); }) == 1);
  CHECK(allocations_of([] { lorapro::Buffer<float> buffer(3); }) == 1);
  CHECK(allocations_of([] { Eigen::MatrixXf matrix(3, 4); }) > 0);
}

template <typename T, typename Rule>
void check_no_heap(Index largest_rank = 80) {
  for (const Index rank : {Index{1}, Index{8}, largest_rank}) {
    CAPTURE(rank);
    lorapro::OptimizerConfig config;
    config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
    config.group.weight_decay = 0.01;
    PairBuffers<T> first(120, 300, rank, 0.5, 1), second(65, 33, rank, 2.0, 2, 0.0);
    PairBuffers<bfloat16> coarse(40, 50, rank, 1.0, 3);
    RowMatrix<T> w = RowMatrix<T>::Ones(1, 500), g = RowMatrix<T>::Ones(1, 500);
    lorapro::Optimizer<T, Rule> optimizer(config);
    optimizer.attach(first.view());
    optimizer.attach(second.view());
    optimizer.attach(coarse.view());
    optimizer.attach(lorapro::DenseView<T>{w.data(), g.data(), 500});
    first.backpropagate(random_matrix(120, 300, 1));
    second.backpropagate(random_matrix(65, 33, 2));
    coarse.backpropagate(random_matrix(40, 50, 3));
    Index updated = 0;
    // From the first step on, with a skipped one among them.
    CHECK(allocations_of([&] {
            for (int t = 0; t < 3; ++t) {
              if (t == 2) w(0, 0) = std::numeric_limits<T>::quiet_NaN();
              updated += optimizer.step().updated;
              optimizer.zero_grad();
            }
          }) == 0);
    CHECK(updated == 4 + 4 + 3);
  }
}

TEST_CASE("a step uses no heap", "[no_heap]") {
  check_no_heap<float, lorapro::SgdRule>();
  check_no_heap<float, lorapro::AdamWRule>();
  check_no_heap<float, lorapro::MuonRule>();
  check_no_heap<float, lorapro::LoraPro<lorapro::NoMoments>>();
  check_no_heap<float, lorapro::LoraPro<lorapro::AdapterMoments>>();
  check_no_heap<float, lorapro::LoraPro<lorapro::FactoredMoments>>();
  check_no_heap<float, lorapro::LoraPro<lorapro::SpectralMoments>>();
  check_no_heap<float, lorapro::LoraPro<lorapro::FullMoments<float>>>();
  check_no_heap<float, lorapro::LoraPro<lorapro::FullMoments<bfloat16>>>();
  check_no_heap<double, lorapro::LoraPro<lorapro::FullMoments<double>>>();
}

TEST_CASE("a step of other papers' rules uses no heap", "[no_heap]") {
  check_no_heap<float, lorapro::ScaledAdamWRule>();
  check_no_heap<float, lorapro::LoraFaRule>();
  check_no_heap<float, lorapro::LoraMuonRule>();
  check_no_heap<float, lorapro::RefLoraRule<0>>();
  check_no_heap<float, lorapro::RefLoraSRule<0>>();
  check_no_heap<float, lorapro::AltLoraPlusRule>();
  check_no_heap<float, lorapro::AdaPreLoraRule>();
  check_no_heap<float, lorapro::LoraRiteRule>();
  check_no_heap<float, lorapro::LoftRule>(lorapro::LoftRule::kMaxRank);
}

template <typename Scalar, typename Base,
          template <typename, typename> class LayerOf = lorapro::LoraLayer>
void check_no_heap_in_layer() {
  for (const double dropout : {0.0, 0.3}) {
    CAPTURE(dropout);
    lorapro::LoraConfig config;
    config.lora_dropout = dropout;
    using Layer = LayerOf<Scalar, Base>;
    // Eigen's products would pack these on the heap.
    const RowMatrix<Scalar> W = rounded<Scalar>(random_matrix(300, 700, 1));
    Layer layer(Layer::Weight::quantize(W), config);
    const RowMatrix<Scalar> x = rounded<Scalar>(random_matrix(80, 700, 2));
    const RowMatrix<Scalar> dy = rounded<Scalar>(random_matrix(80, 300, 3));
    RowMatrix<Scalar> y(80, 300), dx(80, 700);
    const auto step = [&](Index rows) {
      layer.forward(x.topRows(rows), y.topRows(rows));
      layer.backward(x.topRows(rows), dy.topRows(rows), dx.topRows(rows));
    };
    step(80);
    CHECK(allocations_of([&] {
            step(80);
            step(33);
            step(80);
          }) == 0);
  }
}

TEST_CASE("a layer uses no heap after its first batch", "[no_heap]") {
  check_no_heap_in_layer<float, float>();
  check_no_heap_in_layer<float, bfloat16>();
  check_no_heap_in_layer<float, lorapro::half>();
  check_no_heap_in_layer<float, lorapro::Int8Weight>();
  check_no_heap_in_layer<float, lorapro::Nf4Weight>();
  check_no_heap_in_layer<double, lorapro::Nf4Weight>();
  check_no_heap_in_layer<float, float, lorapro::DoraLayer>();
  check_no_heap_in_layer<double, lorapro::Nf4Weight, lorapro::DoraLayer>();
}

TEST_CASE("the products of a thread share a workspace", "[no_heap]") {
  const RowMatrix<float> left = RowMatrix<float>::Ones(40, 200), right = left.transpose();
  const RowMatrix<float> wide = RowMatrix<float>::Ones(40, 900);
  RowMatrix<float> square(40, 40), sum = RowMatrix<float>::Zero(200, 900);
  const auto read = [](const RowMatrix<float>& matrix) { return lorapro::make_view(matrix); };
  using Product = lorapro::TiledProduct<float>;
  using Tiles = lorapro::ViewTiles<float>;
  const auto first = [&] {
    Product::assign(read(left), Tiles(read(right)), lorapro::make_view(square), 1);
  };
  const auto second = [&] {
    Product::add(1.0F, read(right), Tiles(read(wide)), lorapro::make_view(sum), 1);
  };
  long of_first = 0, of_second = 0;
  std::thread([&] {
    of_first = allocations_of(first);
    of_second = allocations_of(second);
  }).join();
  CHECK(of_first == 1);
  CHECK(of_second == 0);
}

TEST_CASE("an embedding uses no heap after its first batch", "[no_heap]") {
  const RowMatrix<float> W = rounded<float>(random_matrix(700, 300, 1));
  lorapro::LoraEmbedding<float> layer(lorapro::BaseWeight<float>::map(W), {});
  std::vector<int> tokens(80, 699), fewer(33, 5);
  const RowMatrix<float> dy = rounded<float>(random_matrix(80, 300, 3));
  RowMatrix<float> y(80, 300);
  const auto step = [&](const std::vector<int>& batch) {
    const auto rows = static_cast<Index>(batch.size());
    layer.forward(batch, y.topRows(rows));
    layer.backward(batch, dy.topRows(rows));
  };
  step(tokens);
  CHECK(allocations_of([&] {
          step(tokens);
          step(fewer);
          step(tokens);
        }) == 0);
}

TEST_CASE("an observed step uses no heap after the first", "[no_heap][may_skip]") {
  const ScratchFolder folder;
  const PseudoTerminal terminal;
  lorapro::CsvLog csv(folder.path() / "run.csv");
  lorapro::JsonLinesLog json(folder.path() / "run.jsonl");
  lorapro::TensorBoardLog tensorboard(folder.path());
  lorapro::ProgressLine progress(100, terminal.stream());
  PairBuffers<float> pair(12, 30, 4, 0.5, 1);
  pair.backpropagate(random_matrix(12, 30, 1));
  lorapro::LoraProOptimizer<float> optimizer;
  optimizer.add_group({});
  optimizer.attach(pair.view());
  int calls = 0;
  optimizer.add_observer([&](const lorapro::StepEvent&) { ++calls; });
  optimizer.add_observer(std::ref(csv));
  optimizer.add_observer(std::ref(json));
  optimizer.add_observer(std::ref(tensorboard));
  optimizer.add_observer(std::ref(progress));
  const auto step = [&](int count) {
    for (int t = 0; t < count; ++t) {
      optimizer.set_loss(1.0 / (calls + 3));
      if (optimizer.step().updated != 1) throw std::runtime_error("not updated");
    }
  };
  CHECK(allocations_of([&] { step(1); }) > 0);
  step(8);  // lines of every length
  CHECK(allocations_of([&] { step(90); }) == 0);
  CHECK(calls == 99);
}

}  // namespace
