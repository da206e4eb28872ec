// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_full_rule.hpp>

#include "support/rule_battery.hpp"

namespace {

using namespace rule_battery;
using lorapro::Gauge;
using lorapro::OptimizerConfig;
template <typename Storage>
using ProFull = lorapro::LoraPro<lorapro::FullMoments<Storage>>;

template <typename Scalar>
void follow(const Case& c, const OptimizerConfig& config, int steps) {
  follow_reference<ProFull<Scalar>, Scalar>(Kind::lora_pro_full, c, config, steps);
}

TEST_CASE("LoraPro full without memory steps by the projected sign", "[lora_pro_full_rule]") {
  // Norm-2 orthogonal factors, s = 1/2: E is exact, H = sign(E), and so is the second projection.
  OptimizerConfig config;
  config.group.lr = 8;
  config.damping = 0;
  config.gauge = Gauge::zero;
  config.beta1 = config.beta2 = 0;
  config.eps = 1e-30;
  PairBuffers<double> pair(5, 6, 2, 0.5, 1);
  pair.A.setZero();
  pair.B.setZero();
  pair.A(0, 1) = pair.A(1, 4) = 2;
  pair.B(3, 0) = pair.B(0, 1) = -2;
  RealMatrix G(5, 6);
  for (Index i = 0; i < G.size(); ++i) G.data()[i] = 16 * (i % 7) - 48;
  pair.backpropagate(G);
  const Factors f = pair.factors();
  // P_B G + G P_A - P_B G P_A keeps the rows 0 and 3 and the columns 1 and 4.
  RealMatrix H = RealMatrix::Zero(5, 6);
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 6; ++j)
      if (i == 0 || i == 3 || j == 1 || j == 4) H(i, j) = G(i, j) > 0 ? 1 : G(i, j) < 0 ? -1 : 0;
  const RealMatrix hA = product(transposed(f.B), H) / 2, hB = product(H, transposed(f.A)) / 2;
  const RealMatrix dB = hB - product(f.B, product(hA, transposed(f.A))) / 4;
  lorapro::Optimizer<double, ProFull<double>> optimizer(config);
  optimizer.attach(pair.view(), {}, "layer");
  REQUIRE(optimizer.step().updated == 1);
  CHECK(max_abs(pair.factors().A - (f.A - 8 * hA)) == 0);
  CHECK(max_abs(pair.factors().B - (f.B - 8 * dB)) == 0);
}

TEST_CASE("LoraPro full follows its reference", "[lora_pro_full_rule][trap]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.5;
  config.eps = 1e-2;
  for (const double damping : {0.0, 0.1})
    for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
      config.damping = damping;
      config.gauge = gauge;
      for (const Case& c : ragged_cases()) {
        follow<float>(c, config, 3);
        follow<double>(c, config, 3);
      }
      follow<double>({20, 12, 4, 2.0, 0.0}, config, 4);
    }
}

TEST_CASE("LoraPro full follows its reference through panels and tiles", "[lora_pro_full_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.05;
  config.eps = 1e-2;
  follow<float>({300, 513, 8, 16 / std::sqrt(8.0)}, config, 2);
  follow<double>({513, 300, 3, 0.5}, config, 2);
  config.beta1 = 0.5;
  config.beta2 = 0.8;
  follow<double>({24, 17, 3, 2.0}, config, 12);
}

TEST_CASE("LoraPro full clips before the moments", "[lora_pro_full_rule]") {
  OptimizerConfig config;
  config.eps = 1e-3;
  config.group.max_grad_norm = 0.5;
  for (const auto norm : {lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter}) {
    config.group.clip_norm = norm;
    follow<double>({12, 20, 4, 0.5}, config, 3);
  }
}

TEST_CASE("LoraPro full at full rank is dense AdamW to first order", "[lora_pro_full_rule]") {
  // r = min(m, n), undamped: the projector is the identity, so E = G, the moments are those of
  // dense AdamW, and W moves by -lr H and the product of the two moves of the factors.
  OptimizerConfig config;
  config.group.lr = 0.01;
  config.damping = 0;
  config.gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  const Index m = 9, n = 7, r = 7;
  PairBuffers<double> pair(m, n, r, 0.5, 4);
  lorapro::Optimizer<double, ProFull<double>> optimizer(config);
  optimizer.attach(pair.view(), {}, "layer");
  Moments moments;
  for (int t = 1; t <= 5; ++t) {
    CAPTURE(t);
    const RealMatrix G = random_matrix(m, n, 40 + static_cast<std::uint64_t>(t));
    const RealMatrix H = adam(moments, G, config, t);
    pair.backpropagate(G);
    const Factors before = pair.factors();
    const RealMatrix W = pair.delta_W();
    REQUIRE(optimizer.step().updated == 1);
    const Factors after = pair.factors();
    const RealMatrix second_order = Real(0.5) * product(after.B - before.B, after.A - before.A);
    CHECK(max_abs(pair.delta_W() - W - second_order + Real(0.01) * H) < 1e-9);
    const Snapshot state = state_of(optimizer);
    CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg", m, n) - moments.exp_avg) < 1e-11);
    CHECK(max_abs(tensor_of<double>(state, "layer.exp_avg_sq", m, n) - moments.exp_avg_sq) < 1e-11);
  }
}

TEST_CASE("LoraPro full stores moments of the equivalent gradient", "[lora_pro_full_rule]") {
  OptimizerConfig config;
  const Index m = 40, n = 300;
  PairBuffers<float> pair(m, n, 3, 2.0, 5), coarse_pair = pair;
  lorapro::Optimizer<float, ProFull<float>> optimizer(config);
  lorapro::Optimizer<float, ProFull<bfloat16>> coarse(config);
  optimizer.attach(pair.view(), {}, "layer");
  coarse.attach(coarse_pair.view(), {}, "layer");
  Reference reference{Kind::lora_pro_full, config, 2.0, lorapro::storage_epsilon<float>()};
  pair.backpropagate(random_matrix(m, n, 50));
  coarse_pair.backpropagate(random_matrix(m, n, 50));
  reference.update(pair.factors(), pair.gradients());
  REQUIRE(optimizer.step().updated == 1);
  REQUIRE(coarse.step().updated == 1);
  const Real e = max_abs(reference.gradient_W);
  const Snapshot state = state_of(optimizer), rounded_state = state_of(coarse);
  const auto difference = [&](const RealMatrix& a, const RealMatrix& b) { return max_abs(a - b); };
  CHECK(difference(tensor_of<float>(state, "layer.exp_avg", m, n), reference.of_W.exp_avg) <
        1e-5 * e);
  CHECK(difference(tensor_of<float>(state, "layer.exp_avg_sq", m, n), reference.of_W.exp_avg_sq) <
        1e-5 * e * e);
  // bfloat16: one unit in the last place of 8 bits for the stochastic one, half of it for the
  // other.
  const RealMatrix avg = tensor_of<bfloat16>(rounded_state, "layer.exp_avg", m, n);
  const RealMatrix sq = tensor_of<bfloat16>(rounded_state, "layer.exp_avg_sq", m, n);
  for (Index i = 0; i < avg.size(); ++i) {
    const Real want = reference.of_W.exp_avg.data()[i], got = avg.data()[i];
    if (!(std::abs(got - want) <= std::abs(want) / 256 + 1e-5 * e)) FAIL_CHECK(i);
    const Real want_sq = reference.of_W.exp_avg_sq.data()[i], got_sq = sq.data()[i];
    if (!(std::abs(got_sq - want_sq) <= want_sq / 128 + 1e-5 * e * e)) FAIL_CHECK(i);
  }
  // The first step uses the moments before they are rounded: it is the one of float.
  CHECK(max_abs(pair.factors().A - coarse_pair.factors().A) < 1e-6);
}

TEST_CASE("LoraPro full passes the battery", "[lora_pro_full_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.2;
  run<ProFull<float>, float>(config, 150, 0.1, true);
}

TEST_CASE("LoraPro full with bfloat16 moments passes the battery", "[lora_pro_full_rule]") {
  OptimizerConfig config;
  config.group.lr = 0.2;
  run<ProFull<bfloat16>, float>(config, 150, 0.1, true);
}

TEST_CASE("LoraPro full keeps two matrices of the shape of W", "[lora_pro_full_rule][trap]") {
  PairBuffers<double> pair(24, 17, 3, 0.5, 1);
  lorapro::Optimizer<double, ProFull<double>> optimizer;
  lorapro::Optimizer<double, ProFull<bfloat16>> coarse;
  optimizer.attach(pair.view(), {}, "layer");
  coarse.attach(pair.view(), {}, "layer");
  CHECK(optimizer.state_bytes() == 2 * 8 * 24 * 17);
  CHECK(coarse.state_bytes() == 2 * 2 * 24 * 17);
  std::vector<std::string> names;
  for (const auto& entry : state_of(optimizer)) names.push_back(entry.first);
  CHECK(names == std::vector<std::string>{"layer.exp_avg", "layer.exp_avg_sq", "layer.free_factor",
                                          "layer.step", "step"});
}

}  // namespace
