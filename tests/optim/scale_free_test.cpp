// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/rule_battery.hpp"

/// \file
/// Where W goes does not depend on alpha, on the scale of the factors or on how it is split.

namespace {

using namespace rule_battery;
using lorapro::ClipNorm;
using lorapro::Gauge;
using lorapro::OptimizerConfig;

using ProSgd = lorapro::LoraPro<lorapro::NoMoments>;
using ProFull = lorapro::LoraPro<lorapro::FullMoments<double>>;
using ProFactored = lorapro::LoraPro<lorapro::FactoredMoments>;
using ProSpectral = lorapro::LoraPro<lorapro::SpectralMoments>;

constexpr Index kOut = 9, kIn = 12, kRank = 3;

/// Of the training: how the pair starts, and what happens to it on the way.
struct Scales {
  double alpha = 16;
  double of_A = 1;       ///< of A's start; B starts from zero
  double rescaled = 1;   ///< (A, B) -> (A / c, c B) after some steps
  bool swapped = false;  ///< A starts from zero, B as A would
};

OptimizerConfig config_of(double lr, Gauge gauge) {
  OptimizerConfig config;
  config.group.lr = lr;
  config.gauge = gauge;
  return config;
}

template <typename T>
void multiply(RowMatrix<T>& factor, double by) {
  for (Index k = 0; k < factor.size(); ++k)
    factor.data()[k] = static_cast<T>(static_cast<double>(factor.data()[k]) * by);
}

/// Training of s B A towards a matrix of full rank, with noise, for 100 steps. T is what the
/// factors are stored in.
template <typename Rule, typename T = double, typename Scalar = double>
struct Training {
  PairBuffers<T> pair;
  double largest_move = 0;  ///< of the fixed factor, relative to itself
  double error = 0;         ///< ||s B A - target||_F at the end, of ||target||_F
  bool started_swapped;

  Training(const Scales& scales, const OptimizerConfig& config, int steps = 100)
      : pair(kOut, kIn, kRank, scales.alpha / static_cast<double>(kRank), 5, 0.0),
        started_swapped(scales.swapped) {
    if (scales.swapped) {
      pair.A.setZero();
      round_into(random_matrix(kOut, kRank, 17), pair.B);
    }
    multiply(pair.A, scales.of_A);
    lorapro::Optimizer<Scalar, Rule> optimizer(config);
    const auto id = optimizer.attach(pair.view());
    const RealMatrix target = random_matrix(kOut, kIn, 7);
    for (int t = 0; t < steps; ++t) {
      if (t == 4 && scales.rescaled != 1) {
        // As a new pair of buffers would be told: what the momentum sees of the factors goes along.
        multiply(pair.A, 1 / scales.rescaled);
        multiply(pair.B, scales.rescaled);
        optimizer.visit([&](const std::string& name, auto&& entry) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
            const bool of_A = name.find("exp_avg_A") != std::string::npos;
            const bool of_B = name.find("exp_avg_B") != std::string::npos;
            if (!of_A && !of_B) return;
            std::vector<Scalar> values(static_cast<std::size_t>(entry.size()));
            rescale(entry, values, of_A ? scales.rescaled : 1 / scales.rescaled);
          }
        });
      }
      pair.backpropagate(pair.delta_W() - target +
                         random_matrix(kOut, kIn, 100 + static_cast<std::uint64_t>(t), 0.3));
      const RealMatrix before = fixed();
      REQUIRE(optimizer.step().updated == 1);
      REQUIRE(optimizer.report(id).usable());
      largest_move = std::max(
          largest_move,
          static_cast<double>(std::sqrt(squared_norm(fixed() - before) / squared_norm(before))));
    }
    error = static_cast<double>(
        std::sqrt(squared_norm(pair.delta_W() - target) / squared_norm(target)));
  }

  RealMatrix fixed() const { return started_swapped ? pair.factors().B : pair.factors().A; }

 private:
  template <typename Tensor, typename Values>
  static void rescale(Tensor&& tensor, Values& values, double by) {
    tensor.read(values.data());
    for (auto& value : values) value *= by;
    tensor.write(values.data());
  }
};

template <typename One, typename Other>
double distance(const One& one, const Other& other) {
  return static_cast<double>(std::sqrt(squared_norm(one.pair.delta_W() - other.pair.delta_W()) /
                                       squared_norm(other.pair.delta_W())));
}

template <typename Rule>
double rate() {
  return std::is_same_v<Rule, ProSgd> ? 0.1 : 0.03;
}

TEMPLATE_TEST_CASE("[trap] W does not see alpha, A's scale or the split of the factors",
                   "[scale_free][trap]", ProSgd, ProFull, ProFactored, ProSpectral) {
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
    OptimizerConfig config = config_of(rate<TestType>(), gauge);
    config.group.weight_decay = 0.1;
    config.group.clip_norm = ClipNorm::equivalent_gradient;
    config.group.max_grad_norm = 5;
    config.schedule = lorapro::LrSchedule::linear(10, 120);
    config.eps = 1e-12;
    const Training<TestType> usual({}, config);
    CHECK(usual.error < 0.95);  // it has learned something
    for (const Scales scales :
         {Scales{1e-3}, Scales{1}, Scales{1e3}, Scales{16, 1e-2}, Scales{16, 1e2},
          Scales{1e3, 1e-2}, Scales{16, 1, 7}, Scales{16, 1, 1e-3}}) {
      CAPTURE(static_cast<int>(gauge), scales.alpha, scales.of_A, scales.rescaled);
      CHECK(distance(Training<TestType>(scales, config), usual) < 1e-8);
    }
  }
}

TEMPLATE_TEST_CASE(
    "[trap] powers of two of alpha, of A's start and of the split change no bit of W",
    "[scale_free][trap]", ProSgd, lorapro::LoraPro<lorapro::FullMoments<float>>, ProFactored,
    ProSpectral) {
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
    OptimizerConfig config = config_of(rate<TestType>(), gauge);
    config.group.weight_decay = 0.1;
    config.group.clip_norm = ClipNorm::equivalent_gradient;
    config.group.max_grad_norm = 5;
    using Training = Training<TestType, float, float>;
    const Training usual({}, config, 40);
    for (const Scales scales : {Scales{1}, Scales{2}, Scales{64}, Scales{1024},
                                Scales{16, 0x1.0p-5}, Scales{16, 8}, Scales{16, 1, 0.25}}) {
      CAPTURE(static_cast<int>(gauge), scales.alpha, scales.of_A, scales.rescaled);
      CHECK(distance(Training(scales, config, 40), usual) == 0);
    }
  }
}

TEMPLATE_TEST_CASE("W in bfloat16 factors sees alpha as far as they round", "[scale_free]", ProFull,
                   ProSpectral) {
  using Rule = std::conditional_t<std::is_same_v<TestType, ProFull>,
                                  lorapro::LoraPro<lorapro::FullMoments<float>>, ProSpectral>;
  using Low = Training<Rule, bfloat16, float>;
  const OptimizerConfig config = config_of(0.03, Gauge::sylvester);
  const Low usual({}, config, 40);
  // Powers of two do not round.
  for (const Scales scales : {Scales{1}, Scales{4}, Scales{1024}, Scales{16, 0x1.0p-5}}) {
    CAPTURE(scales.alpha, scales.of_A);
    CHECK(distance(Low(scales, config, 40), usual) == 0);
  }
  // Others give A another start, 2^-9 of it away.
  CHECK(distance(Low({16, 0.3}, config, 40), usual) < 0.05);
}

TEMPLATE_TEST_CASE("[trap] the fixed factor's moves are bounded, whatever the rate",
                   "[scale_free][trap]", ProSgd, ProFull, ProFactored, ProSpectral) {
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero})
    for (const double lr : {1e-4, 1e-2, 1.0})
      for (const bool swapped : {false, true})
        for (const double ratio : {1.0, 8.0}) {  // each factor is bounded by the rate of its own
          OptimizerConfig config = config_of(lr, gauge);
          config.max_relative_move = 0.03;
          config.group.loraplus_lr_ratio = ratio;
          CAPTURE(static_cast<int>(gauge), lr, swapped, ratio);
          const double move = Training<TestType>({16, 1, 1, swapped}, config, 30).largest_move;
          CHECK(move <= 0.03 * (1 + 1e-6));
          CHECK(move > (ratio == 1.0 ? 0.003 : 0.0003));
        }
}

TEMPLATE_TEST_CASE("from given factors the fixed factor's move shrinks with the rate",
                   "[scale_free]", ProSgd, ProFull, ProFactored, ProSpectral) {
  double moves[2];
  for (int k = 0; k < 2; ++k) {
    PairBuffers<double> pair(kOut, kIn, kRank, 2.0, 5);
    lorapro::Optimizer<double, TestType> optimizer(
        config_of(k == 0 ? 1e-4 : 1e-6, Gauge::sylvester));
    optimizer.attach(pair.view());
    pair.backpropagate(random_matrix(kOut, kIn, 3));
    const RealMatrix before = pair.factors().A;
    REQUIRE(optimizer.step().updated == 1);
    moves[k] = static_cast<double>(std::sqrt(squared_norm(pair.factors().A - before)));
  }
  CHECK(moves[1] == Approx(0.01 * moves[0]).epsilon(0.01));
}

TEMPLATE_TEST_CASE("a start from A = 0 trains as well as the usual one", "[scale_free]", ProSgd,
                   ProFull, ProFactored, ProSpectral) {
  for (const Gauge gauge : {Gauge::sylvester, Gauge::balanced, Gauge::zero}) {
    CAPTURE(static_cast<int>(gauge));
    const OptimizerConfig config = config_of(rate<TestType>(), gauge);
    const Training<TestType> usual({}, config), swapped({16, 1, 1, true}, config);
    CAPTURE(usual.error, swapped.error);
    CHECK(swapped.error < 1.15 * usual.error);
    // Nor does it see alpha.
    CHECK(distance(Training<TestType>({1e3, 1, 1, true}, config), swapped) < 1e-8);
  }
}

TEST_CASE("which factor is free is decided at a pair's first step and kept", "[scale_free]") {
  PairBuffers<double> pair(kOut, kIn, kRank, 2.0, 5);
  pair.A.setZero();
  lorapro::Optimizer<double, ProSpectral> optimizer(config_of(0.01, Gauge::sylvester));
  const auto id = optimizer.attach(pair.view(), {}, "pair");
  const auto free_factor = [&] {
    std::int64_t out = -1;
    optimizer.visit([&](const std::string& name, auto&& entry) {
      if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>)
        if (name == "pair.free_factor") out = entry;
    });
    return out;
  };
  const auto step = [&] {
    pair.backpropagate(random_matrix(kOut, kIn, 3));
    REQUIRE(optimizer.step().updated == 1);
  };
  CHECK(free_factor() == 0);
  step();
  CHECK(free_factor() == 1);
  step();
  CHECK(free_factor() == 1);
  // It goes with a pair that is taken out, and is decided anew where the state is forgotten.
  auto detached = optimizer.detach(id);
  optimizer.attach(pair.view(), std::move(detached));
  step();
  CHECK(free_factor() == 1);
  optimizer.reset_pairs();
  step();
  CHECK(free_factor() == 0);
  // Two factors of zeros have no roles: nothing moves.
  pair.A.setZero();
  pair.B.setZero();
  optimizer.reset_pairs();
  step();
  CHECK(free_factor() == 0);
  CHECK(pair.A.norm() + pair.B.norm() == 0);
}

}  // namespace
