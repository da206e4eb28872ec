// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/adapter_spectrum.hpp"

#include <Eigen/SVD>

#include "support/adapter_modules.hpp"
#include "support/tolerance.hpp"

namespace {

TEST_CASE("norm and singular values of a product are those of the dense matrix",
          "[adapter_spectrum]") {
  LORAPRO_TEST_RANDOM(random, 61);
  for (const auto& [out, in, rank] :
       {std::tuple{9, 7, 3}, {7, 9, 1}, {4, 9, 6}, {9, 4, 6}, {3, 4, 8}}) {
    CAPTURE(out, in, rank);
    const auto module = support::random_module(random, "m", out, in, rank, 5, true);
    const Eigen::MatrixXd dense = support::delta(module).cast<double>();
    const Eigen::MatrixXd core = examples::core_of(module);
    CHECK(core.norm() == Approx(dense.norm()).epsilon(1e-12));
    const Eigen::VectorXd came = examples::singular_values(core);
    const Eigen::VectorXd expected = Eigen::JacobiSVD<Eigen::MatrixXd>(dense).singularValues();
    for (Eigen::Index k = 0; k < came.size(); ++k)
      CHECK(came(k) == Approx(expected(k)).epsilon(1e-12).margin(1e-12 * dense.norm()));
  }
}

TEST_CASE("the distance of two adapters is that of their products", "[adapter_spectrum]") {
  LORAPRO_TEST_RANDOM(random, 62);
  const auto a = support::random_module(random, "m", 9, 7, 3, 5);
  const auto b = support::random_module(random, "m", 9, 7, 2, 4, true);
  const double expected = support::distance(support::delta(a), support::delta(b));
  CHECK(examples::distance(a, b) == Approx(expected).epsilon(1e-12));
  auto other_gauge = a;
  other_gauge.lora_A = [a] { return lorapro::RowMatrix<float>(4 * a.lora_A()); };
  other_gauge.lora_alpha /= 4;
  CHECK(examples::distance(a, other_gauge) <= 1e-13 * examples::core_of(a).norm());
}

}  // namespace
