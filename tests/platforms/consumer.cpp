// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// What a user may instantiate, under the warnings that a user may have: every rule in both scalars,
// layers over every kind of frozen weight, files and events. Run, it trains a little with each.

#include <lorapro/events/csv_log.hpp>
#include <lorapro/events/json_lines_log.hpp>
#include <lorapro/events/progress_line.hpp>
#include <lorapro/events/tensorboard_log.hpp>
#include <lorapro/io/adapter_load.hpp>
#include <lorapro/io/checkpoint.hpp>
#include <lorapro/io/gguf_adapter.hpp>
#include <lorapro/io/merge.hpp>
#include <lorapro/io/peft_adapter.hpp>
#include <lorapro/lorapro.hpp>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <utility>

namespace {

using lorapro::Index;
using lorapro::RowMatrix;

constexpr Index kOut = 24, kIn = 16, kBatch = 32;

/// Whether 30 steps lower the distance to a target by a tenth.
template <typename Scalar, typename Rule, typename Base>
bool trains_over(const char* name, lorapro::LoraLayer<Scalar, Base> layer, double lr) {
  const RowMatrix<Scalar> x = RowMatrix<Scalar>::Random(kBatch, kIn);
  RowMatrix<Scalar> y(kBatch, kOut);
  layer.forward(x, y);
  const RowMatrix<Scalar> target = y + RowMatrix<Scalar>::Random(kBatch, kOut);

  lorapro::OptimizerConfig config;
  config.group.lr = lr;
  lorapro::Optimizer<Scalar, Rule> optimizer(config);
  optimizer.attach(layer, {}, "layer");
  double first = 0, last = 0;
  for (int step = 0; step < 30; ++step) {
    layer.forward(x, y);
    const RowMatrix<Scalar> grad_y = (y - target) / static_cast<Scalar>(kBatch);
    last = static_cast<double>(grad_y.squaredNorm());
    if (step == 0) first = last;
    layer.backward(x, grad_y);
    if (optimizer.step().updated != 1) {
      std::printf("FAIL %s: step %d was skipped\n", name, step);
      return false;
    }
    optimizer.zero_grad();
  }
  lorapro::io::CheckpointWriter checkpoint;
  checkpoint.add("optimizer", optimizer);
  checkpoint.write("consumer.checkpoint");
  lorapro::io::CheckpointReader("consumer.checkpoint").load("optimizer", optimizer);
  const bool good = last < 0.9 * first;
  std::printf("%s %s: %.4f to %.4f\n", good ? "ok  " : "FAIL", name, first, last);
  return good;
}

lorapro::LoraConfig lora() {
  lorapro::LoraConfig config;
  config.rank = 4;
  return config;
}

template <typename Scalar, typename Rule>
bool trains(const char* name, const RowMatrix<Scalar>& W0, double lr) {
  using Base = lorapro::BaseWeight<Scalar>;
  return trains_over<Scalar, Rule>(name, lorapro::LoraLayer<Scalar>(Base::own(W0), lora()), lr);
}

template <typename Scalar>
bool all_rules_train() {
  using namespace lorapro;
  const RowMatrix<Scalar> base = RowMatrix<Scalar>::Random(kOut, kIn);
  bool good = trains<Scalar, SgdRule>("SGD", base, 0.05);
  good = trains<Scalar, AdamWRule>("AdamW", base, 0.02) && good;
  good = trains<Scalar, MuonRule>("Muon", base, 0.02) && good;
  good = trains<Scalar, LoraPro<NoMoments>>("LoRA-Pro, no moments", base, 0.5) && good;
  good = trains<Scalar, LoraPro<AdapterMoments>>("LoRA-Pro, adapter", base, 0.02) && good;
  good = trains<Scalar, LoraPro<FullMoments<Scalar>>>("LoRA-Pro, full", base, 0.02) && good;
  good = trains<Scalar, LoraPro<FullMoments<bfloat16>>>("LoRA-Pro, full, bfloat16", base, 0.02) &&
         good;
  good = trains<Scalar, LoraPro<FactoredMoments>>("LoRA-Pro, factored", base, 0.02) && good;
  good = trains<Scalar, LoraPro<SpectralMoments>>("LoRA-Pro, spectral", base, 0.02) && good;
  return good;
}

bool all_bases_train() {
  using namespace lorapro;
  const RowMatrix<float> W0 = RowMatrix<float>::Random(kOut, kIn);
  using Rule = LoraPro<SpectralMoments>;
  const RowMatrix<bfloat16> in_bfloat16 = W0.cast<bfloat16>();
  const RowMatrix<half> in_half = W0.cast<half>();
  const auto over = [](const char* name, auto layer) {
    return trains_over<float, Rule>(name, std::move(layer), 0.02);
  };
  bool good = over("bfloat16 W0",
                   LoraLayer<float, bfloat16>(BaseWeight<bfloat16>::own(in_bfloat16), lora()));
  good = over("half W0", LoraLayer<float, half>(BaseWeight<half>::own(in_half), lora())) && good;
  good = over("Int8 W0", LoraLayer<float, Int8Weight>(Int8Weight::quantize(W0), lora())) && good;
  good = over("NF4 W0", LoraLayer<float, Nf4Weight>(Nf4Weight::quantize(W0), lora())) && good;
  return good;
}

}  // namespace

int main(int argc, char* argv[]) {
  if (argc > 1) std::filesystem::current_path(argv[1]);
  lorapro::CsvLog csv("consumer.csv");
  lorapro::JsonLinesLog json("consumer.jsonl");
  lorapro::ProgressLine progress(1);
  lorapro::LoraProOptimizer<float> observed;
  observed.add_observer(std::ref(csv));
  observed.add_observer(std::ref(json));
  observed.add_observer(std::ref(progress));
  bool good = observed.step().updated == 0;
  good = all_rules_train<float>() && good;
  good = all_rules_train<double>() && good;
  good = all_bases_train() && good;
  std::remove("consumer.checkpoint");
  std::remove("consumer.csv");
  std::remove("consumer.jsonl");
  return good ? 0 : 1;
}
