// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/optimizer.hpp>

#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/sgd_rule.hpp>

#include <memory>  // std::unique_ptr

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::ConfigError;
using lorapro::DenseView;
using lorapro::GroupConfig;
using lorapro::LoraView;
using lorapro::OptimizerConfig;
using lorapro::ShapeError;
using lorapro::StateError;
using AdamW = lorapro::Optimizer<float, lorapro::AdamWRule>;
using EfficientOptimizer = lorapro::LoraProOptimizer<float, lorapro::AdapterMoments>;
using Sgd = lorapro::Optimizer<float, lorapro::SgdRule>;

lorapro::LoraLayer<float> make_layer(Index out, Index in, std::uint64_t seed) {
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 6;
  config.seed = seed;
  const RowMatrix<float> W0 = rounded<float>(random_matrix(out, in, seed));
  return {lorapro::BaseWeight<float>::own(W0), config};
}

TEST_CASE("layers, views and dense parameters of any shapes share an optimizer", "[optimizer]") {
  // Together they get the bits that each gets alone.
  const auto gradient = [](auto&& matrix, std::uint64_t seed) {
    for (Index i = 0; i < matrix.size(); ++i)
      matrix.data()[i] =
          static_cast<float>(lorapro::random_normal(seed, static_cast<std::uint64_t>(i)));
  };
  const auto train = [&](auto&& attach) {
    std::vector<float> out;
    std::vector<lorapro::LoraLayer<float>> layers;
    layers.push_back(make_layer(30, 20, 1));
    layers.push_back(make_layer(7, 300, 2));
    std::vector<std::unique_ptr<PairBuffers<float>>> pairs;
    for (std::uint64_t k = 0; k < 5; ++k)
      pairs.push_back(std::make_unique<PairBuffers<float>>(
          static_cast<Index>(1 + 9 * k), static_cast<Index>(40 - 7 * k), static_cast<Index>(1 + k),
          1.0 + double(k), k));
    RowMatrix<float> dense = rounded<float>(random_matrix(1, 77, 9)), dense_grad(1, 77);
    for (std::uint64_t k = 0; k < 2; ++k) {
      gradient(layers[k].grad_A(), 100 + k);
      gradient(layers[k].grad_B(), 200 + k);
    }
    for (std::uint64_t k = 0; k < 5; ++k) {
      gradient(pairs[k]->grad_A, 300 + k);
      gradient(pairs[k]->grad_B, 400 + k);
    }
    gradient(dense_grad, 500);
    attach(layers, pairs, DenseView<float>{dense.data(), dense_grad.data(), 77});
    const auto append = [&](const auto& m) {
      out.insert(out.end(), m.data(), m.data() + m.size());
    };
    for (auto& layer : layers) {
      append(layer.lora_A());
      append(layer.lora_B());
    }
    for (const auto& pair : pairs) {
      append(pair->A);
      append(pair->B);
    }
    append(dense);
    return out;
  };
  const auto together = train([](auto& layers, auto& pairs, const auto& dense) {
    EfficientOptimizer optimizer;
    for (auto& pair : pairs) optimizer.attach(pair->view());
    for (auto& layer : layers) optimizer.attach(layer);
    optimizer.attach(dense);
    for (int t = 0; t < 3; ++t) REQUIRE(optimizer.step().updated == 8);
  });
  const auto alone = train([](auto& layers, auto& pairs, const auto& dense) {
    const auto steps = [](auto&& one) {
      EfficientOptimizer optimizer;
      optimizer.attach(one);
      for (int t = 0; t < 3; ++t) REQUIRE(optimizer.step().updated == 1);
    };
    for (auto& layer : layers) steps(layer);
    for (auto& pair : pairs) steps(pair->view());
    steps(dense);
  });
  CHECK(together == alone);
}

TEST_CASE("views of any order and stride get the bits of row-major ones", "[optimizer]") {
  PairBuffers<float> pair(12, 300, 3, 0.5, 1);
  pair.backpropagate(random_matrix(12, 300, 2));
  // Column-major A inside a larger matrix; B as every second column of a row-major one.
  Eigen::MatrixXf A = Eigen::MatrixXf::Constant(5, 300, 7), grad_A = A;
  RowMatrix<float> B = RowMatrix<float>::Constant(12, 6, 7), grad_B = B;
  A.middleRows(1, 3) = pair.A;
  grad_A.middleRows(1, 3) = pair.grad_A;
  LoraView<float> view{{A.data() + 1, 3, 300, 1, 5},
                       {B.data(), 12, 3, 6, 2},
                       {grad_A.data() + 1, 3, 300, 1, 5},
                       {grad_B.data(), 12, 3, 6, 2},
                       0.5};
  for (Index i = 0; i < 12; ++i)
    for (Index k = 0; k < 3; ++k) {
      view.lora_B(i, k) = pair.B(i, k);
      view.grad_B(i, k) = pair.grad_B(i, k);
    }
  EfficientOptimizer plain, strided;
  plain.attach(pair.view());
  strided.attach(view);
  for (int t = 0; t < 3; ++t) {
    REQUIRE(plain.step().updated == 1);
    REQUIRE(strided.step().updated == 1);
  }
  CHECK(RowMatrix<float>(A.middleRows(1, 3)) == pair.A);
  for (Index i = 0; i < 12; ++i)
    for (Index k = 0; k < 3; ++k) {
      if (view.lora_B(i, k) != pair.B(i, k)) FAIL_CHECK(i);
      if (B(i, 2 * k + 1) != 7) FAIL_CHECK(i);
    }
  CHECK((A.row(0).array() == 7).all());
  CHECK((A.row(4).array() == 7).all());
  strided.zero_grad();
  CHECK(grad_A.middleRows(1, 3).isZero(0));
  CHECK((grad_A.row(0).array() == 7).all());
}

TEST_CASE("detach and attach keep state and step count in another buffer", "[optimizer]") {
  Quadratic<float> stays, moves;
  AdamW whole, optimizer;
  stays.attach(whole);
  moves.attach(optimizer);
  stays.train(whole, 4);
  moves.train(optimizer, 4);
  PairBuffers<float> elsewhere = moves.first;
  auto detached = optimizer.detach({0});
  CHECK(detached.out_features() == 24);
  CHECK(detached.in_features() == 17);
  CHECK(detached.rank() == 3);
  CHECK_THROWS_AS(optimizer.step_count(lorapro::PairId{0}), StateError);
  CHECK_THROWS_AS(optimizer.detach({0}), StateError);
  CHECK(optimizer.step_count({1}) == 4);  // other handles stay valid
  const auto id = optimizer.attach(elsewhere.view(), std::move(detached));
  CHECK(optimizer.step_count(id) == 4);
  const PairBuffers<float> left = moves.first;
  for (int t = 0; t < 3; ++t) {
    stays.train(whole, 1);
    moves.backpropagate();
    elsewhere.backpropagate(elsewhere.delta_W() - quadratic_target(24, 17, 3, 91));
    REQUIRE(optimizer.step().updated == 3);
  }
  CHECK(same_parameters(elsewhere, stays.first));
  CHECK(same_parameters(moves.second, stays.second));
  CHECK(same_bits(moves.dense, stays.dense));
  CHECK(same_parameters(left, moves.first));  // the old buffer is left alone
  CHECK(state_of(whole) == state_of(optimizer));
}

TEST_CASE("a detached pair that was refused can still be attached", "[optimizer]") {
  PairBuffers<float> pair(9, 8, 2, 1.0, 1), wrong(9, 7, 2, 1.0, 1), other(9, 8, 2, 1.0, 2);
  pair.backpropagate(random_matrix(9, 8, 3));
  AdamW optimizer;
  optimizer.attach(other.view());
  const auto id = optimizer.attach(pair.view());
  REQUIRE(optimizer.step().updated == 2);
  auto detached = optimizer.detach(id);
  CHECK_THROWS_AS(optimizer.attach(wrong.view(), std::move(detached)), ShapeError);
  CHECK_THROWS_AS(optimizer.attach(other.view(), std::move(detached)), ShapeError);  // in use
  PairBuffers<lorapro::half> coarse(9, 8, 2, 1.0, 1);
  CHECK_THROWS_AS(optimizer.attach(coarse.view(), std::move(detached)), ConfigError);
  LoraView<float> null = pair.view();
  null.grad_A.data = nullptr;
  CHECK_THROWS_AS(optimizer.attach(null, std::move(detached)), ShapeError);
  const auto back = optimizer.attach(pair.view(), std::move(detached));
  CHECK(optimizer.step_count(back) == 1);
  CHECK(optimizer.step().updated == 2);
  CHECK_THROWS_AS(optimizer.attach(pair.view(), std::move(detached)), StateError);  // spent
}

TEST_CASE("a detached pair can join another optimizer of the same type", "[optimizer]") {
  PairBuffers<float> pair(9, 8, 2, 1.0, 1);
  AdamW first, second;
  first.attach(pair.view());
  REQUIRE(first.step().updated == 1);
  const auto id = second.attach(pair.view(), first.detach({0}));
  CHECK(second.step_count(id) == 1);
  CHECK(second.step().updated == 1);
  CHECK(first.step().updated == 0);
  CHECK(second.step_count(id) == 2);
  // But not where its group does not exist.
  AdamW third;
  const auto group = third.add_group({});
  PairBuffers<float> other(9, 8, 2, 1.0, 2);
  const auto other_id = third.attach(other.view(), group);
  CHECK_THROWS_AS(first.attach(other.view(), third.detach(other_id)), StateError);
}

TEST_CASE("a merged layer is refused, by either attach", "[optimizer]") {
  auto layer = make_layer(6, 5, 1);
  AdamW optimizer;
  layer.merge();
  CHECK_THROWS_AS(optimizer.attach(layer), StateError);
  layer.unmerge();
  const auto id = optimizer.attach(layer);
  auto detached = optimizer.detach(id);
  layer.merge();
  CHECK_THROWS_AS(optimizer.attach(layer, std::move(detached)), StateError);
  layer.unmerge();
  optimizer.attach(layer, std::move(detached));
  CHECK(optimizer.step().updated == 1);
}

TEST_CASE("a layer may be moved while it is attached", "[optimizer]") {
  auto layer = make_layer(6, 5, 1);
  AdamW optimizer;
  optimizer.attach(layer);
  lorapro::LoraLayer<float> moved = std::move(layer);
  moved.grad_A().setOnes();
  const RowMatrix<float> before = moved.lora_A();
  REQUIRE(optimizer.step().updated == 1);
  CHECK(((before - moved.lora_A()).array() > 5e-4F).all());
}

TEST_CASE("parameters that are attached already are refused", "[optimizer]") {
  PairBuffers<float> pair(9, 8, 2, 1.0, 1), other(9, 8, 2, 1.0, 2);
  RowMatrix<float> dense = RowMatrix<float>::Zero(1, 20), grad = dense;
  AdamW optimizer;
  const auto id = optimizer.attach(pair.view());
  optimizer.attach(DenseView<float>{dense.data(), grad.data(), 20});
  CHECK_THROWS_AS(optimizer.attach(pair.view()), ShapeError);
  LoraView<float> view = other.view();
  view.lora_A.data = pair.A.data();
  CHECK_THROWS_AS(optimizer.attach(view), ShapeError);
  // The same parameter, a part of it, a factor as a dense parameter, a dense one as a factor.
  CHECK_THROWS_AS(optimizer.attach(DenseView<float>{dense.data(), grad.data(), 20}), ShapeError);
  CHECK_THROWS_AS(optimizer.attach(DenseView<float>{dense.data() + 19, grad.data(), 1}),
                  ShapeError);
  CHECK_THROWS_AS(optimizer.attach(DenseView<float>{pair.B.data(), grad.data(), 18}), ShapeError);
  view = other.view();
  view.lora_A.data = dense.data();
  CHECK_THROWS_AS(optimizer.attach(view), ShapeError);
  // Gradients of one must not be parameters of another: they would change while they are read.
  view = other.view();
  view.grad_A.data = pair.A.data();
  CHECK_THROWS_AS(optimizer.attach(view), ShapeError);
  CHECK_THROWS_AS(optimizer.attach(DenseView<float>{pair.grad_B.data(), grad.data(), 18}),
                  ShapeError);
  CHECK(optimizer.step().updated == 2);
  // After detach the buffers are free again.
  auto detached = optimizer.detach(id);
  optimizer.attach(pair.view());
  CHECK(optimizer.step().updated == 2);
}

TEST_CASE("names of state are unique", "[optimizer][trap]") {
  PairBuffers<float> a(9, 8, 2, 1.0, 1), b(9, 8, 2, 1.0, 2), c(9, 8, 2, 1.0, 3);
  float w[3] = {}, g[3] = {};
  AdamW optimizer;
  optimizer.attach(a.view(), {}, "layer");
  CHECK_THROWS_WITH(optimizer.attach(b.view(), {}, "layer"),
                    "layer: name: expected a name of its own, got \"layer\" again");
  CHECK_THROWS_AS(optimizer.attach(DenseView<float>{w, g, 3}, {}, "layer"), ConfigError);
  optimizer.attach(b.view());
  optimizer.attach(c.view());
  optimizer.attach(DenseView<float>{w, g, 3});
  const Snapshot state = state_of(optimizer);  // which checks that they are
  CHECK(state.count("layer.exp_avg_A") == 1);
  CHECK(state.count("pair.1.exp_avg_A") == 1);
  CHECK(state.count("pair.2.step") == 1);
  CHECK(state.count("dense.0.exp_avg_sq") == 1);
  CHECK(state.count("step") == 1);
  CHECK(state.size() == 1 + 3 * 6 + 3);
}

TEST_CASE("each group has its own rate, decay and clipping", "[optimizer][trap]") {
  OptimizerConfig config;
  config.group.lr = 1;
  Sgd optimizer(config);
  GroupConfig group;
  group.lr = 0.5;
  group.weight_decay = 0.5;
  const auto decayed = optimizer.add_group(group);
  group.weight_decay = 0;
  group.clip_norm = lorapro::ClipNorm::adapter;
  group.max_grad_norm = 2.5;
  const auto clipped = optimizer.add_group(group);
  CHECK(decayed.index == 1);
  CHECK(clipped.index == 2);
  float w[3][2] = {{8, 8}, {8, 8}, {8, 8}}, g[3][2] = {{3, 4}, {3, 4}, {3, 4}};
  optimizer.attach(DenseView<float>{w[0], g[0], 2});
  optimizer.attach(DenseView<float>{w[1], g[1], 2}, decayed);
  optimizer.attach(DenseView<float>{w[2], g[2], 2}, clipped);
  PairBuffers<float> pairs[] = {{4, 5, 2, 1.0, 1}, {4, 5, 2, 1.0, 2}, {4, 5, 2, 1.0, 3}};
  const lorapro::GroupId groups[] = {{}, decayed, clipped};
  for (int k = 0; k < 3; ++k) {
    pairs[k].A.setConstant(8);
    pairs[k].B.setConstant(8);
    optimizer.attach(pairs[k].view(), groups[k]);
  }
  pairs[0].grad_A(0, 0) = pairs[1].grad_A(0, 0) = 4;
  const auto report = optimizer.step();
  CHECK(report.updated == 6);
  CHECK(report.grad_norm == 5);
  CHECK(report.clip_factor == 0.5);
  CHECK(w[0][1] == 8 - 4);
  CHECK(w[1][1] == 8 * 0.75F - 2);
  CHECK(w[2][1] == 8 - 1);
  CHECK(pairs[0].A(0, 0) == 8 - 4);
  CHECK(pairs[0].A(1, 1) == 8);
  CHECK(pairs[1].A(0, 0) == 8 * 0.75F - 2);
  CHECK(pairs[1].B(3, 1) == 8 * 0.75F);
  CHECK(pairs[2].B(3, 1) == 8);
  CHECK_THROWS_WITH(optimizer.attach(DenseView<float>{w[0], g[0], 2}, {7}),
                    "dense.3: group: expected one of 3 groups, got number 7");
  PairBuffers<float> another(4, 5, 2, 1.0, 4);
  CHECK_THROWS_AS(optimizer.attach(another.view(), {-1}), StateError);
  CHECK_THROWS_AS(optimizer.group({3}), StateError);
}

TEST_CASE("rates and schedules change between steps", "[optimizer]") {
  OptimizerConfig config;
  config.group.lr = 1;
  config.schedule = lorapro::LrSchedule::linear(2, 4);
  Sgd optimizer(config);
  const auto group = optimizer.add_group({2.0});
  float w[2] = {0, 0}, g[2] = {1, 1};
  optimizer.attach(DenseView<float>{w, g, 1});
  optimizer.attach(DenseView<float>{w + 1, g + 1, 1}, group);
  const auto moved = [&](float first, float second) {
    const float before[] = {w[0], w[1]};
    REQUIRE(optimizer.step().updated == 2);
    CHECK(before[0] - w[0] == first);
    CHECK(before[1] - w[1] == second);
  };
  moved(0.5, 1);
  moved(1, 2);
  moved(1, 2);
  moved(0.5, 1);
  moved(0, 0);
  optimizer.set_schedule(lorapro::LrSchedule::constant());
  moved(1, 2);
  optimizer.set_lr(4);
  CHECK(optimizer.lr() == 4);
  CHECK(optimizer.lr(group) == 2);
  moved(4, 2);
  optimizer.set_lr(8, group);
  moved(4, 8);
  GroupConfig changed = optimizer.group(group);
  changed.lr = 0.25;
  optimizer.set_group(changed, group);
  moved(4, 0.25);
  CHECK_THROWS_AS(optimizer.set_lr(-1), ConfigError);
  CHECK_THROWS_AS(optimizer.set_group(changed, {5}), StateError);
  CHECK(optimizer.lr() == 4);
  moved(4, 0.25);
}

TEMPLATE_TEST_CASE("pairs that are reset go on as if they had just been attached", "[optimizer]",
                   AdamW, EfficientOptimizer) {
  Quadratic<float> used;
  TestType optimizer;
  used.attach(optimizer);
  used.train(optimizer, 4);
  Quadratic<float> fresh = used;
  TestType other;
  fresh.attach(other);
  optimizer.reset_pairs();
  CHECK(optimizer.step_count({0}) == 0);
  CHECK(optimizer.step_count() == 4);
  used.train(optimizer, 3);
  fresh.train(other, 3);
  CHECK(same_parameters(used.first, fresh.first));
  CHECK(same_parameters(used.second, fresh.second));
  CHECK_FALSE(same_bits(used.dense, fresh.dense));  // its moments are kept
}

TEST_CASE("every parameter counts its own steps", "[optimizer][trap]") {
  // A pair that joins late starts with the bias corrections of step 1.
  OptimizerConfig config;
  config.group.lr = 0.125;
  config.eps = 1e-30;
  PairBuffers<float> first(4, 5, 2, 1.0, 1), late(4, 5, 2, 1.0, 2);
  first.grad_A.setConstant(3);
  late.grad_A.setConstant(-7);
  AdamW optimizer(config);
  optimizer.attach(first.view());
  for (int t = 0; t < 20; ++t) REQUIRE(optimizer.step().updated == 1);
  const auto id = optimizer.attach(late.view());
  CHECK(optimizer.step_count(id) == 0);
  const RowMatrix<float> before = late.A;
  REQUIRE(optimizer.step().updated == 2);
  for (Index i = 0; i < before.size(); ++i)
    CHECK(late.A.data()[i] - before.data()[i] == Approx(0.125).epsilon(1e-5));
  CHECK(optimizer.step_count(id) == 1);
  CHECK(optimizer.step_count({0}) == 21);
  CHECK(optimizer.step_count() == 21);
}

TEST_CASE("a skipped pair keeps its own bias correction", "[optimizer][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.eps = 1e-3;
  PairBuffers<float> pair(6, 5, 2, 1.0, 1), twin = pair;
  AdamW optimizer(config), reference(config);
  optimizer.attach(pair.view());
  reference.attach(twin.view());
  for (std::uint64_t t = 0; t < 6; ++t) {
    pair.backpropagate(random_matrix(6, 5, t));
    twin.backpropagate(random_matrix(6, 5, t));
    if (t % 2 == 1) {  // every other gradient of the first is bad: its twin does not see them
      pair.grad_B(0, 0) = std::numeric_limits<float>::infinity();
      REQUIRE(optimizer.step().skipped_non_finite == 1);
      pair.backpropagate(random_matrix(6, 5, t));
    }
    REQUIRE(optimizer.step().updated == 1);
    REQUIRE(reference.step().updated == 1);
  }
  CHECK(same_parameters(pair, twin));
  CHECK(optimizer.step_count() == 9);
  CHECK(optimizer.step_count(lorapro::PairId{0}) == 6);
}

TEST_CASE("bad options and scales have exact messages", "[optimizer]") {
  OptimizerConfig config;
  config.beta1 = 1;
  CHECK_THROWS_WITH(AdamW(config), "beta1: expected a number in [0, 1), got 1");
  AdamW optimizer;
  CHECK_THROWS_WITH(optimizer.add_group({-1.0}), "lr: expected a finite number >= 0, got -1");
  CHECK_THROWS_WITH(optimizer.step({0.0, 1}), "loss_scale: expected a finite number > 0, got 0");
  CHECK_THROWS_WITH(optimizer.step({std::numeric_limits<double>::infinity(), 1}),
                    "loss_scale: expected a finite number > 0, got inf");
  CHECK_THROWS_WITH(optimizer.step({1.0, 0}), "accumulated: expected a number >= 1, got 0");
  GroupConfig group;
  group.lr = 3;
  group.weight_decay = 0.5;
  optimizer.set_group(group);
  CHECK_THROWS_WITH(optimizer.step(), "weight_decay: expected lr * weight_decay <= 1, got 1.5");
  PairBuffers<float> pair(6, 5, 2, 1.0, 1);
  LoraView<float> view = pair.view();
  view.grad_A.cols = 4;
  CHECK_THROWS_WITH(optimizer.attach(view), "pair.0: grad_A: expected (2, 5), got (2, 4)");
  view = pair.view();
  view.scaling = 0;
  CHECK_THROWS_WITH(optimizer.attach(view),
                    "pair.0: scaling: expected a finite number other than 0, got 0");
  CHECK_THROWS_WITH(optimizer.detach({4}), "pair: expected an attached pair, got number 4");
}

TEST_CASE("loss scales and accumulated batches leave the gradient as it is", "[optimizer]") {
  // Powers of two change no bit; the mean of three batches changes the last ones.
  PairBuffers<float> plain(12, 300, 3, 0.5, 1), scaled = plain, summed = plain;
  float w[3] = {1, 1, 1}, g[3] = {0.3F, 0.3F * 4096, 0.9F};
  EfficientOptimizer first, second, third;
  first.attach(plain.view());
  second.attach(scaled.view());
  third.attach(summed.view());
  first.attach(DenseView<float>{w, g, 1});
  second.attach(DenseView<float>{w + 1, g + 1, 1});
  third.attach(DenseView<float>{w + 2, g + 2, 1});
  for (std::uint64_t t = 0; t < 4; ++t) {
    const RealMatrix G = random_matrix(12, 300, t);
    plain.backpropagate(G);
    scaled.grad_A = 4096 * plain.grad_A;
    scaled.grad_B = 4096 * plain.grad_B;
    summed.grad_A = 3 * plain.grad_A;
    summed.grad_B = 3 * plain.grad_B;
    REQUIRE(first.step().updated == 2);
    REQUIRE(second.step({1024.0, 4}).updated == 2);
    REQUIRE(third.step({1.0, 3}).updated == 2);
    CHECK(same_parameters(plain, scaled));
    CHECK(w[0] == w[1]);
    CHECK((plain.A - summed.A).cwiseAbs().maxCoeff() < 1e-5F);
    CHECK((plain.B - summed.B).cwiseAbs().maxCoeff() < 1e-5F);
    CHECK(w[2] == Approx(w[0]));
    summed.A = plain.A;
    summed.B = plain.B;
  }
}

TEST_CASE("an optimizer can be moved", "[optimizer]") {
  Quadratic<float> stays, moves;
  AdamW first, second;
  stays.attach(first);
  moves.attach(second);
  stays.train(first, 2);
  moves.train(second, 2);
  AdamW moved = std::move(second);
  stays.train(first, 2);
  moves.train(moved, 2);
  CHECK(stays.same(moves));
}

}  // namespace
