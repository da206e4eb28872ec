// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/gradient_aligned_init.hpp>
#include <lorapro/layer/lora_layer.hpp>

#include <limits>  // std::numeric_limits

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::Index;
using reference::product;
using reference::real;
using reference::RealMatrix;
using reference::transposed;
using AlignedMatrix = lorapro::RowMatrix<double>;

/// A (rank, in) as the initialiser makes it from `gradient`; B is checked to be 0.
AlignedMatrix aligned_A(const AlignedMatrix& gradient, Index rank) {
  lorapro::LoraConfig config;
  config.rank = rank;
  config.init = lorapro::LoraInit::gaussian;
  const lorapro::LoraLayer<double> layer(
      lorapro::BaseWeight<double>::own(AlignedMatrix::Zero(gradient.rows(), gradient.cols())),
      config, nullptr, lorapro::GradientAlignedInit<double>(lorapro::make_view(gradient)));
  CHECK((layer.lora_B().array() == 0).all());
  return layer.lora_A();
}

TEST_CASE("A sees as much of a gradient as its rank allows", "[gradient_aligned_init]") {
  LORAPRO_TEST_RANDOM(random, 2631);
  const Index shapes[][2] = {{10, 14}, {14, 10}, {9, 9}};
  for (const auto& shape : shapes) {
    CAPTURE(shape[0], shape[1]);
    const AlignedMatrix G = reference::rounded<double>(random.matrix(shape[0], shape[1]));
    const AlignedMatrix A = aligned_A(G, 3);
    CHECK((A * A.transpose() - AlignedMatrix::Identity(3, 3) / 3).norm() <= 1e-13);
    // By Eckart and Young no three directions leave less of G than its leading singular vectors.
    std::vector<reference::Real> values = reference::svd(real(G)).values;
    std::sort(values.rbegin(), values.rend());
    reference::Real rest = 0;
    for (std::size_t k = 3; k < values.size(); ++k) rest += values[k] * values[k];
    const RealMatrix left =
        real(G) - 3.0L * product(product(real(G), transposed(real(A))), real(A));
    CHECK(static_cast<double>(reference::norm(left)) ==
          Approx(std::sqrt(static_cast<double>(rest))).epsilon(1e-10));
    // The first row sees most.
    CHECK((G * A.row(0).transpose()).norm() >= (G * A.row(2).transpose()).norm());
  }
}

TEST_CASE("directions that a gradient lacks are random", "[gradient_aligned_init]") {
  LORAPRO_TEST_RANDOM(random, 2632);
  const AlignedMatrix one =
      reference::rounded<double>(product(random.matrix(6, 1), random.matrix(1, 8)));
  const AlignedMatrix none = AlignedMatrix::Zero(6, 8);
  const AlignedMatrix start = aligned_A(none, 3), A = aligned_A(one, 3);
  lorapro::LoraConfig config;
  config.rank = 3;
  AlignedMatrix expected(3, 8), B(6, 3);
  lorapro::initialize_lora(config, lorapro::make_view(expected), lorapro::make_view(B));
  CHECK(start == expected);
  CHECK(A.bottomRows(2) == expected.bottomRows(2));
  CHECK((one * A.row(0).transpose()).norm() == Approx(one.norm() / std::sqrt(3.0)));
  // A rank beyond both sides of the weight.
  CHECK(aligned_A(AlignedMatrix::Identity(2, 2), 4).bottomRows(2).norm() > 0);
}

TEST_CASE("a gradient that does not fit is refused", "[gradient_aligned_init]") {
  const AlignedMatrix W = AlignedMatrix::Zero(3, 4);
  const auto start_from = [&](const AlignedMatrix& gradient) {
    lorapro::LoraLayer<double>(lorapro::BaseWeight<double>::map(W), {}, nullptr,
                               lorapro::GradientAlignedInit<double>(lorapro::make_view(gradient)));
  };
  CHECK_THROWS_WITH(start_from(AlignedMatrix::Zero(4, 3)), "gradient: expected (3, 4), got (4, 3)");
  AlignedMatrix G = AlignedMatrix::Ones(3, 4);
  G(1, 2) = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(start_from(G), "gradient: expected finite numbers, got another at (1, 2)");
}

}  // namespace
