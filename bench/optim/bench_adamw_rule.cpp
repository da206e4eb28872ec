// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>

#include <algorithm>  // std::min
#include <cmath>      // std::pow

#include "bench/naive/lora_rules.hpp"
#include "support/step_case.hpp"

namespace {

/// As of adamw_row.
bench::Work work(double elements, bool streams) {
  bench::Work result;
  result.flops = 16 * elements;
  result.bytes = 28 * elements;
  if (streams) result.least_bytes = result.bytes;
  return result;
}

/// Full fine-tuning: W is one dense parameter.
struct DenseData {
  explicit DenseData(const bench::Shape& shape)
      : value(bench::random_matrix<float>(shape.out, shape.in, 0.02, 1)),
        grad(bench::random_matrix<float>(shape.out, shape.in, 1e-3, 2)) {}
  bench::PairData::Matrix value, grad;
};

std::function<void()> dense(const bench::Shape& shape, int threads) {
  struct Fixture {
    Fixture(const bench::Shape& s, int count) : data(s), optimizer(bench::step_config(count)) {
      optimizer.attach(
          lorapro::DenseView<float>{data.value.data(), data.grad.data(), data.value.size()});
    }
    DenseData data;
    lorapro::Optimizer<float, lorapro::AdamWRule> optimizer;
  };
  auto fixture = std::make_shared<Fixture>(shape, threads);
  return [fixture] { bench::step_once(fixture->optimizer); };
}

/// One pass over memory, no checks: what full fine-tuning costs at least. In blocks of Eigen
/// expressions, because std::sqrt in a plain loop sets errno, which keeps g++ from vectorising it.
std::function<void()> naive_dense(const bench::Shape& shape) {
  struct Fixture {
    explicit Fixture(const bench::Shape& s)
        : data(s), exp_avg(data.value * 0), exp_avg_sq(exp_avg) {}
    DenseData data;
    bench::PairData::Matrix exp_avg, exp_avg_sq;
    int step = 0;
  };
  auto fixture = std::make_shared<Fixture>(shape);
  return [fixture] {
    Fixture& f = *fixture;
    ++f.step;
    const auto correction1 = static_cast<float>(1 / (1 - std::pow(0.9, f.step)));
    const auto correction2 = static_cast<float>(1 / (1 - std::pow(0.999, f.step)));
    const auto lr = static_cast<float>(bench::kLearningRate);
    float* const value = f.data.value.data();
    const float* const grad = f.data.grad.data();
    float* const m = f.exp_avg.data();
    float* const v = f.exp_avg_sq.data();
    const bench::Index size = f.data.value.size();
    constexpr bench::Index kBlock = 1024;
    using Block = Eigen::Map<Eigen::ArrayXf>;
    for (bench::Index first = 0; first < size; first += kBlock) {
      const bench::Index count = std::min(kBlock, size - first);
      const Eigen::Map<const Eigen::ArrayXf> g(grad + first, count);
      Block p(value + first, count), exp_avg(m + first, count), exp_avg_sq(v + first, count);
      exp_avg = 0.9F * exp_avg + 0.1F * g;
      exp_avg_sq = 0.999F * exp_avg_sq + 0.001F * g.square();
      p -= lr * (exp_avg * correction1) / ((exp_avg_sq * correction2).sqrt() + 1e-8F);
    }
  };
}

const bool registered = bench::add_all([] {
  const auto adapter_work = [](const bench::Shape& shape) {
    return work(shape.adapter_elements(), false);
  };
  bench::add_library_steps<lorapro::AdamWRule>("lora_adamw/f32", adapter_work,
                                               bench::max_threads());
  bench::add_naive_steps<naive::LoraAdamW<float>>("lora_adamw", adapter_work);
  std::string last;
  for (const bench::Shape& shape : bench::step_shapes()) {
    if (shape.weight_name() == last) continue;  // the rank makes no difference
    last = shape.weight_name();
    const bench::Work dense_work = work(shape.elements(), true);
    for (int threads = 1; threads <= bench::max_threads(); ++threads)
      bench::add(
          "step/dense_adamw/f32/" + last, dense_work, [=] { return dense(shape, threads); },
          threads);
    bench::add("step/naive_dense_adamw/f32/" + last, dense_work,
               [=] { return naive_dense(shape); });
  }
});

}  // namespace
