// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adjust/adam.hpp>

#include <memory>  // std::make_shared

#include "bench/naive/adam.hpp"
#include "support/benchmark_case.hpp"
#include "support/pair_data.hpp"

namespace {

using bench::Index;

/// A parameter with its gradient and moments.
struct Fixture {
  Fixture(Index rows, Index cols)
      : value(bench::random_matrix<float>(rows, cols, 1, 1)),
        grad(bench::random_matrix<float>(rows, cols, 1, 2)),
        exp_avg(naive::Matrix<float>::Zero(rows, cols)),
        exp_avg_sq(exp_avg) {}
  naive::Matrix<float> value, grad, exp_avg, exp_avg_sq;
};

std::function<void()> adamw(Index rows, Index cols) {
  auto fixture = std::make_shared<Fixture>(rows, cols);
  return [fixture] {
    Fixture& f = *fixture;
    const lorapro::AdamConstants<float> constants(lorapro::AdamStep{0.9, 0.999, 1e-8, 1000, 1e-8});
    lorapro::adamw_row<float>(constants, {f.grad.data(), f.exp_avg.data(), f.exp_avg_sq.data(),
                                          f.value.data(), f.value.size()});
  };
}

std::function<void()> naive_adamw(Index rows, Index cols) {
  struct Naive {
    Naive(Index m, Index n)
        : adam(m, n),
          value(bench::random_matrix<float>(m, n, 1, 1)),
          grad(bench::random_matrix<float>(m, n, 1, 2)) {}
    naive::Adam<float> adam;
    naive::Matrix<float> value, grad;
  };
  auto fixture = std::make_shared<Naive>(rows, cols);
  return [fixture] { fixture->value -= 1e-8F * fixture->adam.direction(fixture->grad); };
}

const bool registered = bench::add_all([] {
  for (const Index side : {768, 4096}) {
    const bench::Shape shape{side, side, 1};
    bench::Work work;
    work.flops = 16 * shape.elements();
    work.bytes = 28 * shape.elements();
    work.least_bytes = work.bytes;
    const std::string rest = "adamw/f32/" + shape.weight_name();
    bench::add("adam/" + rest, work, [=] { return adamw(side, side); });
    bench::add("adam/naive_" + rest, work, [=] { return naive_adamw(side, side); });
  }
});

}  // namespace
