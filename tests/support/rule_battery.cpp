// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/rule_battery.hpp"

#include <cstring>  // std::memcpy

namespace rule_battery {

template struct PairBuffers<float>;
template struct PairBuffers<double>;
template struct PairBuffers<bfloat16>;
template struct PairBuffers<lorapro::half>;

namespace {

struct ReadState {
  Snapshot& out;
  void operator()(const std::string& name, std::int64_t& counter) const {
    REQUIRE(out.count(name) == 0);
    out[name].resize(sizeof counter);
    std::memcpy(out[name].data(), &counter, sizeof counter);
  }
  void operator()(const std::string& name, const lorapro::StateTensor& tensor) const {
    REQUIRE(out.count(name) == 0);
    lorapro::visit_storage_type(tensor.type(), [&](auto zero) {
      std::vector<decltype(zero)> values(static_cast<std::size_t>(tensor.size()));
      tensor.read(values.data());
      out[name].resize(values.size() * sizeof(zero));
      std::memcpy(out[name].data(), values.data(), out[name].size());
    });
  }
};

struct WriteState {
  const Snapshot& in;
  void operator()(const std::string& name, std::int64_t& counter) const {
    REQUIRE(in.at(name).size() == sizeof counter);
    std::memcpy(&counter, in.at(name).data(), sizeof counter);
  }
  void operator()(const std::string& name, const lorapro::StateTensor& tensor) const {
    lorapro::visit_storage_type(tensor.type(), [&](auto zero) {
      std::vector<decltype(zero)> values(static_cast<std::size_t>(tensor.size()));
      REQUIRE(in.at(name).size() == values.size() * sizeof(zero));
      std::memcpy(values.data(), in.at(name).data(), in.at(name).size());
      tensor.write(values.data());
    });
  }
};

}  // namespace

template <typename Scalar>
Snapshot state_of(BaseOptimizer<Scalar>& optimizer) {
  Snapshot out;
  optimizer.visit(ReadState{out});
  return out;
}
template Snapshot state_of(BaseOptimizer<float>&);
template Snapshot state_of(BaseOptimizer<double>&);

template <typename Scalar>
void set_state(BaseOptimizer<Scalar>& optimizer, const Snapshot& state) {
  optimizer.visit(WriteState{state});
}
template void set_state(BaseOptimizer<float>&, const Snapshot&);
template void set_state(BaseOptimizer<double>&, const Snapshot&);

Snapshot entries_of(const Snapshot& state, const std::string& name) {
  Snapshot out;
  for (const auto& entry : state)
    if (entry.first.rfind(name + ".", 0) == 0) out.insert(entry);
  return out;
}

template <typename T>
RealMatrix tensor_of(const Snapshot& state, const std::string& name, Index rows, Index cols) {
  RowMatrix<T> out(rows, cols);
  const auto& bytes = state.at(name);
  REQUIRE(bytes.size() == static_cast<std::size_t>(rows * cols) * sizeof(T));
  std::memcpy(out.data(), bytes.data(), bytes.size());
  return real<T>(out);
}
template RealMatrix tensor_of<float>(const Snapshot&, const std::string&, Index, Index);
template RealMatrix tensor_of<double>(const Snapshot&, const std::string&, Index, Index);
template RealMatrix tensor_of<bfloat16>(const Snapshot&, const std::string&, Index, Index);

template <typename Scalar>
void follow_reference(const RuntimeRule<Scalar>& rule, Kind kind, const Case& c,
                      const lorapro::OptimizerConfig& config, int steps) {
  CAPTURE(c.out_features, c.in_features, c.rank, c.scaling, config.damping,
          static_cast<int>(config.gauge), sizeof(Scalar));
  PairBuffers<Scalar> pair(c.out_features, c.in_features, c.rank, c.scaling,
                           static_cast<std::uint64_t>(c.out_features * 31 + c.rank), c.deviation_B);
  BaseOptimizer<Scalar> optimizer(rule, config);
  optimizer.attach(pair.view());
  constexpr double kEps = lorapro::storage_epsilon<Scalar>();
  Reference reference{kind, config, c.scaling, kEps};
  const RealMatrix mean = random_matrix(c.out_features, c.in_features, 77);
  // An error d of what enters Adam becomes d / eps of the direction at worst.
  const double adam_gain = kind == Kind::sgd || kind == Kind::lora_pro_sgd ? 1 : 1 / config.eps;
  for (int t = 1; t <= steps; ++t) {
    CAPTURE(t);
    pair.backpropagate(mean + random_matrix(c.out_features, c.in_features, 1000 + t));
    const Factors before = pair.factors();
    const Factors expected = reference.update(before, pair.gradients());
    const lorapro::StepReport report = optimizer.step();
    REQUIRE(report.updated == 1);
    const Real lr =
        config.group.lr * config.schedule.factor(t) * std::max(1.0, config.group.loraplus_lr_ratio);
    const auto tolerance = [&](const RealMatrix& value, const RealMatrix& step) {
      const Real condition = std::max(reference.condition, reference.momentum_condition);
      const Real amplified = lr * max_abs(step) * condition * c.rank * (1 + adam_gain);
      return 64 * Real(kEps) * (max_abs(value) + amplified);
    };
    CHECK(max_abs(pair.factors().A - expected.A) <= tolerance(before.A, reference.last_step.A));
    CHECK(max_abs(pair.factors().B - expected.B) <= tolerance(before.B, reference.last_step.B));
    if (config.group.clip_norm != lorapro::ClipNorm::none) {
      CHECK(report.grad_norm == Approx(reference.grad_norm).epsilon(100 * kEps));
      CHECK(report.clip_factor == Approx(reference.clip).epsilon(100 * kEps));
    }
  }
}
template void follow_reference(const RuntimeRule<float>&, Kind, const Case&,
                               const lorapro::OptimizerConfig&, int);
template void follow_reference(const RuntimeRule<double>&, Kind, const Case&,
                               const lorapro::OptimizerConfig&, int);

std::vector<Case> ragged_cases() {
  return {{1, 7, 3, 0.5},
          {7, 1, 3, 2.0},
          {7, 65, 8, 2.0},
          {65, 7, 1, 1.0},
          {33, 300, 3, 0.5},
          {300, 33, 8, 0.25},
          {513, 7, 3, 16 / std::sqrt(3.0)},
          {1, 1, 1, 3.0},
          {7, 513, 8, 16 / std::sqrt(8.0)}};
}

RealMatrix quadratic_target(Index rows, Index cols, Index rank, std::uint64_t seed) {
  return product(random_matrix(rows, rank, seed), random_matrix(rank, cols, seed + 1));
}

template <typename T>
double Quadratic<T>::backpropagate() {
  const RealMatrix first_error = first.delta_W() - quadratic_target(24, 17, 3, 91);
  const RealMatrix second_error = second.delta_W() - quadratic_target(9, 40, 2, 95);
  const RealMatrix dense_error = real<T>(dense) - random_matrix(1, 33, 93);
  first.backpropagate(first_error);
  second.backpropagate(second_error);
  round_into(dense_error, grad_dense);
  return static_cast<double>(squared_norm(first_error) + squared_norm(second_error) +
                             squared_norm(dense_error)) /
         2;
}

template struct Quadratic<float>;
template struct Quadratic<double>;

namespace {

using Scalar = float;
using Rule = RuntimeRule<Scalar>;

void check_descent(const Rule& rule, const lorapro::OptimizerConfig& config, int steps,
                   double factor) {
  Quadratic<Scalar> problem;
  BaseOptimizer<Scalar> optimizer(rule, config);
  problem.attach(optimizer);
  const double start = problem.backpropagate();
  problem.train(optimizer, steps);
  CHECK(problem.backpropagate() < factor * start);
  CHECK(optimizer.step_count() == steps);
}

void check_determinism(const Rule& rule, const lorapro::OptimizerConfig& config) {
  Quadratic<Scalar> one, two;
  BaseOptimizer<Scalar> first(rule, config), second(rule, config);
  one.attach(first);
  two.attach(second);
  one.train(first, 8);
  two.train(second, 8);
  CHECK(one.same(two));
  CHECK(state_of(first) == state_of(second));
}

/// State written into a fresh optimizer continues with the same bits; without it, it does not.
void check_resume(const Rule& rule, const lorapro::OptimizerConfig& config, bool has_moments) {
  Quadratic<Scalar> whole;
  BaseOptimizer<Scalar> optimizer(rule, config);
  whole.attach(optimizer);
  whole.train(optimizer, 5);
  const Snapshot state = state_of(optimizer);
  const Quadratic<Scalar> middle = whole;
  Quadratic<Scalar> resumed = middle;
  whole.train(optimizer, 5);

  BaseOptimizer<Scalar> second(rule, config);
  resumed.attach(second);
  set_state(second, state);
  CHECK(second.step_count() == 5);
  resumed.train(second, 5);
  CHECK(resumed.same(whole));
  CHECK(state_of(second) == state_of(optimizer));

  // Each matrix of moments matters: without it the steps differ.
  int matrices = 0;
  for (const auto& missing : state) {
    if (missing.first.find("exp_avg") == std::string::npos) continue;
    CAPTURE(missing.first);
    ++matrices;
    Snapshot partial = state;
    std::fill(partial[missing.first].begin(), partial[missing.first].end(), 0);
    Quadratic<Scalar> forgotten = middle;
    BaseOptimizer<Scalar> third(rule, config);
    forgotten.attach(third);
    set_state(third, partial);
    forgotten.train(third, 5);
    CHECK_FALSE(forgotten.same(whole));
  }
  CHECK((matrices > 0) == has_moments);
}

void check_shape_errors(const Rule& rule, const lorapro::OptimizerConfig& config) {
  using lorapro::ShapeError;
  BaseOptimizer<Scalar> optimizer(rule, config);
  PairBuffers<Scalar> pair(6, 5, 2, 1.0, 3);
  RowMatrix<Scalar> other = RowMatrix<Scalar>::Zero(8, 8);
  const auto refused = [&](auto change) {
    lorapro::LoraView<Scalar> view = pair.view();
    change(view);
    CHECK_THROWS_AS(optimizer.attach(view), ShapeError);
  };
  refused([&](auto& view) { view.grad_A.cols = 4; });
  refused([&](auto& view) { view.grad_A.rows = 1; });
  refused([&](auto& view) { view.lora_B.cols = 1; });
  refused([&](auto& view) { view.grad_B.rows = 5; });
  refused([&](auto& view) { view.grad_B.data = nullptr; });
  refused([&](auto& view) { view.lora_A.data = nullptr; });
  refused([&](auto& view) { view.grad_A.data = view.lora_A.data; });
  refused([&](auto& view) { view.lora_B.data = view.lora_A.data + 1; });
  refused([&](auto& view) { view.lora_A.rows = view.grad_A.rows = 0; });
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<Scalar>{nullptr, other.data(), 4}),
                  ShapeError);
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<Scalar>{other.data(), nullptr, 4}),
                  ShapeError);
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<Scalar>{other.data(), other.data() + 8, 0}),
                  ShapeError);
  CHECK_THROWS_AS(optimizer.attach(lorapro::DenseView<Scalar>{other.data(), other.data() + 3, 4}),
                  ShapeError);
  // Nothing of it was kept, and a good view still attaches.
  CHECK(optimizer.state_bytes() == 0);
  CHECK(optimizer.step().updated == 0);
  optimizer.attach(pair.view());
  CHECK(optimizer.step().updated == 1);
}

void check_throwing_step(const Rule& rule, const lorapro::OptimizerConfig& config) {
  Quadratic<Scalar> problem;
  BaseOptimizer<Scalar> optimizer(rule, config);
  problem.attach(optimizer);
  problem.train(optimizer, 2);
  problem.backpropagate();
  const Quadratic<Scalar> before = problem;
  const Snapshot state = state_of(optimizer);
  lorapro::GroupConfig group = optimizer.group();
  CHECK_THROWS_AS(optimizer.step({0.0, 1}), lorapro::ConfigError);
  CHECK_THROWS_AS(optimizer.step({1.0, 0}), lorapro::ConfigError);
  group.lr = 2;
  group.weight_decay = 1;
  optimizer.set_group(group);
  CHECK_THROWS_AS(optimizer.step(), lorapro::ConfigError);
  CHECK(problem.same(before));
  CHECK(state_of(optimizer) == state);
}

/// One bad element in one pair: it stays as it was, everything else moves.
void check_skips(const Rule& rule, const lorapro::OptimizerConfig& config) {
  const Scalar bad_values[] = {std::numeric_limits<Scalar>::quiet_NaN(),
                               -std::numeric_limits<Scalar>::infinity()};
  for (const Scalar bad : bad_values)
    for (int place = 0; place < 4; ++place) {
      CAPTURE(bad, place);
      Quadratic<Scalar> problem;
      BaseOptimizer<Scalar> optimizer(rule, config);
      problem.attach(optimizer);
      problem.train(optimizer, 3);
      problem.backpropagate();
      PairBuffers<Scalar>& pair = problem.first;
      RowMatrix<Scalar>* const matrices[] = {&pair.A, &pair.B, &pair.grad_A, &pair.grad_B};
      RowMatrix<Scalar>& poisoned = *matrices[place];
      poisoned(poisoned.rows() - 1, poisoned.cols() - 1) = bad;
      const Quadratic<Scalar> before = problem;
      const Snapshot state = state_of(optimizer);
      const lorapro::StepReport report = optimizer.step();
      CHECK(report.skipped_non_finite == 1);
      CHECK(report.skipped_overflow == 0);
      CHECK(report.updated == 2);
      CHECK(optimizer.report({0}).status == lorapro::AdjustStatus::non_finite);
      CHECK(same_parameters(problem.first, before.first));
      CHECK_FALSE(same_parameters(problem.second, before.second));
      CHECK_FALSE(same_bits(problem.dense, before.dense));
      const Snapshot after = state_of(optimizer);
      CHECK(entries_of(after, "first") == entries_of(state, "first"));
      CHECK(optimizer.step_count({0}) == 3);
      CHECK(optimizer.step_count({1}) == 4);
      CHECK(entries_of(after, "second") != entries_of(state, "second"));
    }
}

}  // namespace

Split Split::mixed() {
  Split split;
  split.T << 2, 1, 1, 1;
  split.inverse << 1, -1, -1, 2;
  return split;
}

Split Split::turned(double cosine, double sine) {
  Split split;
  split.T << cosine, sine, -sine, cosine;
  split.inverse = transposed(split.T);
  return split;
}

RealMatrix trained_from(const RuntimeRule<double>& rule, const Split& split, double damping,
                        double deviation_B, double loss_scale) {
  PairBuffers<double> pair(12, 9, 2, 0.5 * split.k, 3, deviation_B);
  pair.A = rounded<double>(product(split.inverse, pair.factors().A));
  pair.B = rounded<double>(product(pair.factors().B, split.T) / Real(split.k));
  lorapro::OptimizerConfig config;
  config.group.lr = 0.05;
  config.group.weight_decay = 0.1;
  config.damping = damping;
  BaseOptimizer<double> optimizer(rule, config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 0; t < 10; ++t) {
    pair.backpropagate(random_matrix(12, 9, 40 + t), loss_scale);
    REQUIRE(optimizer.step().updated == 1);
  }
  return pair.delta_W();
}

void check_alternation(const RuntimeRule<float>& rule, lorapro::Side first) {
  PairBuffers<float> pair(12, 9, 2, 0.5, 3);
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  BaseOptimizer<float> optimizer(rule, config);
  optimizer.attach(pair.view());
  for (std::uint64_t t = 1; t <= 4; ++t) {
    const PairBuffers<float> before = pair;
    pair.backpropagate(random_matrix(12, 9, t));
    CHECK(optimizer.step().updated == 1);
    const bool A_moves = (t % 2 == 1) == (first == lorapro::Side::A);
    CHECK(same_bits(pair.A, before.A) == !A_moves);
    CHECK(same_bits(pair.B, before.B) == A_moves);
  }
}

template <typename Scalar>
bool moves_follow_rates(const RuntimeRule<Scalar>& rule, lorapro::OptimizerConfig config) {
  const auto moved = [&](double ratio) {
    config.group.loraplus_lr_ratio = ratio;
    PairBuffers<Scalar> pair(9, 40, 3, 2.0, 2);
    pair.backpropagate(random_matrix(9, 40, 5));
    const Factors before = pair.factors();
    BaseOptimizer<Scalar> optimizer(rule, config);
    optimizer.attach(pair.view());
    REQUIRE(optimizer.step().updated == 1);
    const Factors after = pair.factors();
    return Factors{after.A - before.A, after.B - before.B};
  };
  const Factors one = moved(1), four = moved(4);
  const Real tolerance = 1e5 * lorapro::storage_epsilon<Scalar>();  // of moves, not of values
  return max_abs(one.A) > 0 && max_abs(one.B) > 0 &&
         max_abs(four.A - one.A) <= tolerance * max_abs(one.A) &&
         max_abs(four.B - 4 * one.B) <= tolerance * max_abs(one.B);
}
template bool moves_follow_rates(const RuntimeRule<float>&, lorapro::OptimizerConfig);
template bool moves_follow_rates(const RuntimeRule<double>&, lorapro::OptimizerConfig);

void run_one_sided(const Rule& rule, const lorapro::OptimizerConfig& config, int steps,
                   double factor, bool has_moments) {
  SECTION("descends on a quadratic") { check_descent(rule, config, steps, factor); }
  SECTION("same input same bits") { check_determinism(rule, config); }
  SECTION("resumes from its visited state") { check_resume(rule, config, has_moments); }
  SECTION("refuses wrong shapes") { check_shape_errors(rule, config); }
  SECTION("a step that throws writes nothing") { check_throwing_step(rule, config); }
  SECTION("skips what is not finite") { check_skips(rule, config); }
}

void run(const Rule& rule, const lorapro::OptimizerConfig& config, int steps, double factor,
         bool has_moments) {
  run_one_sided(rule, config, steps, factor, has_moments);
  SECTION("each factor has its own rate") { CHECK(moves_follow_rates(rule, config)); }
}

}  // namespace rule_battery
