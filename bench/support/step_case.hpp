// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/optimizer.hpp>

#include <memory>     // std::make_shared
#include <stdexcept>  // std::runtime_error

#include "bench/naive/adam.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace bench {

/// Small enough for the parameters to stay where they are over all iterations.
inline constexpr double kLearningRate = 1e-8;

inline lorapro::OptimizerConfig step_config(int threads) {
  lorapro::OptimizerConfig config;
  config.group.lr = kLearningRate;
  config.threads = threads;
  return config;
}

template <typename Optimizer>
void step_once(Optimizer& optimizer) {
  const lorapro::StepReport report = optimizer.step();
  if (report.updated != 1) throw std::runtime_error("step: the parameter was skipped");
}

/// optimizer.step() with one pair attached.
template <typename Rule>
std::function<void()> library_step(const Shape& shape, int threads) {
  struct Fixture {
    Fixture(const Shape& s, int count) : pair(s), optimizer(step_config(count)) {
      optimizer.attach(pair.view());
    }
    PairData pair;
    lorapro::Optimizer<float, Rule> optimizer;
  };
  auto fixture = std::make_shared<Fixture>(shape, threads);
  return [fixture] { step_once(fixture->optimizer); };
}

/// The same step of a class of bench/naive/.
template <typename Naive>
std::function<void()> naive_step(const Shape& shape) {
  struct Fixture {
    explicit Fixture(const Shape& s) : pair(s), rule(s.out, s.in, s.rank, options()) {}
    static naive::AdamOptions options() {
      naive::AdamOptions result;
      result.lr = kLearningRate;
      return result;
    }
    PairData pair;
    Naive rule;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture] { fixture->rule.step(fixture->pair); };
}

/// Registers "step/<kind>/<type>/<shape>" for every shape of a step.
/// \param work_of      called as work_of(shape).
/// \param max_threads  up to which numbers of threads are measured.
template <typename Rule, typename WorkOf>
void add_library_steps(const std::string& kind_and_type, const WorkOf& work_of, int max_threads) {
  for (const Shape& shape : step_shapes())
    for (int threads = 1; threads <= max_threads; ++threads)
      add(
          "step/" + kind_and_type + "/" + shape.name(), work_of(shape),
          [=] { return library_step<Rule>(shape, threads); }, threads);
}

/// Registers "step/naive_<kind>/f32/<shape>" for every shape of a step.
template <typename Naive, typename WorkOf>
void add_naive_steps(const std::string& kind, const WorkOf& work_of) {
  for (const Shape& shape : step_shapes())
    add("step/naive_" + kind + "/f32/" + shape.name(), work_of(shape),
        [=] { return naive_step<Naive>(shape); });
}

}  // namespace bench
