// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/layer/lora_init.hpp>

#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::bfloat16;
using lorapro::Index;
using lorapro::LoraConfig;
using lorapro::LoraInit;
using lorapro::RowMatrix;

template <typename T>
struct Factors {
  RowMatrix<T> A, B;
};

/// Both filled with garbage before.
template <typename T>
Factors<T> initialized(LoraInit init, Index out, Index in, Index rank, std::uint64_t seed) {
  LoraConfig config;
  config.init = init;
  config.rank = rank;
  config.seed = seed;
  Factors<T> f{RowMatrix<T>::Constant(rank, in, T(9)), RowMatrix<T>::Constant(out, rank, T(9))};
  lorapro::initialize_lora(config, lorapro::make_view(f.A), lorapro::make_view(f.B));
  return f;
}

struct Moments {
  double mean = 0, deviation = 0, fourth = 0, largest = 0;
};

Moments moments(const RowMatrix<double>& a) {
  Moments out;
  const auto count = static_cast<double>(a.size());
  for (Index k = 0; k < a.size(); ++k) {
    const double x = a.data()[k];
    out.mean += x / count;
    out.deviation += x * x / count;
    out.fourth += x * x * x * x / count;
    out.largest = std::max(out.largest, std::abs(x));
  }
  out.fourth /= out.deviation * out.deviation;
  out.deviation = std::sqrt(out.deviation);
  return out;
}

TEST_CASE("kaiming_uniform fills the interval of 1 / sqrt(in_features)", "[lora_init]") {
  constexpr Index kIn = 900, kRank = 50;
  const auto f = initialized<double>(LoraInit::kaiming_uniform, 20, kIn, kRank, 1);
  CHECK((f.B.array() == 0).all());
  const double bound = 1.0 / 30, count = kIn * kRank;
  const Moments m = moments(f.A);
  CHECK(m.largest <= bound);
  CHECK(m.largest >= bound * (1 - 20 / count));
  CHECK(f.A.minCoeff() <= -bound * (1 - 40 / count));
  // Five deviations of the estimates.
  CHECK(std::abs(m.mean) < 5 * bound / std::sqrt(3 * count));
  CHECK(std::abs(m.deviation - bound / std::sqrt(3.0)) < 5 * bound * 0.26 / std::sqrt(count));
  CHECK(std::abs(m.fourth - 1.8) < 0.05);  // 3 for a normal distribution
}

TEST_CASE("gaussian has the deviation 1 / rank", "[lora_init]") {
  constexpr Index kIn = 2000, kRank = 20;
  const auto f = initialized<double>(LoraInit::gaussian, 20, kIn, kRank, 2);
  CHECK((f.B.array() == 0).all());
  const Moments m = moments(f.A);
  const double unit = 5 / std::sqrt(static_cast<double>(kIn * kRank));
  CHECK(std::abs(m.mean) < unit / 20);
  CHECK(std::abs(m.deviation - 0.05) < unit * 0.05 / std::sqrt(2.0));
  CHECK(std::abs(m.fourth - 3) < unit * std::sqrt(96.0));
}

TEST_CASE("orthogonal starts with both factors and no product", "[lora_init]") {
  for (const Index rank : {2, 4, 16}) {
    CAPTURE(rank);
    const auto f = initialized<double>(LoraInit::orthogonal, 500, 700, rank, 3);
    const auto A = reference::real(f.A), B = reference::real(f.B);
    const auto size = static_cast<double>(reference::norm(A) * reference::norm(B));
    CHECK(static_cast<double>(reference::norm(reference::product(B, A))) <=
          support::tolerance<double>(1, static_cast<double>(rank), 1, size));
    // Half of the space each: a mean square of 1 / 200.
    CHECK(moments(f.A).deviation == Approx(std::sqrt(0.005)).epsilon(0.15));
    CHECK(moments(f.B).deviation == Approx(std::sqrt(0.005)).epsilon(0.15));
    for (const auto& factor : {A, B}) {
      const reference::Svd svd = reference::svd(factor);
      Index kept = 0;
      for (const reference::Real value : svd.values) kept += value > 1e-10L * svd.largest();
      CHECK(kept == rank / 2);
    }
  }
}

TEST_CASE("random_orthogonal has orthonormal rows", "[lora_init]") {
  for (const Index size : {1, 2, 7, 32}) {
    const std::vector<double> q = lorapro::detail::random_orthogonal(size, 5);
    const auto Q = reference::real(Eigen::Map<const RowMatrix<double>>(q.data(), size, size));
    CHECK(support::distance(reference::product(Q, reference::transposed(Q)),
                            reference::identity(size)) <=
          support::tolerance<double>(1, static_cast<double>(size), 1, 1));
  }
}

TEMPLATE_TEST_CASE("the numbers of a seed are the same in every scalar", "[lora_init]", float,
                   bfloat16) {
  for (const LoraInit init :
       {LoraInit::kaiming_uniform, LoraInit::gaussian, LoraInit::orthogonal}) {
    const auto wide = initialized<double>(init, 6, 10, 4, 7);
    const auto narrow = initialized<TestType>(init, 6, 10, 4, 7);
    bool equal = true;
    for (Index k = 0; k < wide.A.size(); ++k)
      equal = equal && narrow.A.data()[k] == static_cast<TestType>(wide.A.data()[k]);
    for (Index k = 0; k < wide.B.size(); ++k)
      equal = equal && narrow.B.data()[k] == static_cast<TestType>(wide.B.data()[k]);
    CHECK(equal);
    CHECK(initialized<double>(init, 6, 10, 4, 7).A == wide.A);
    CHECK(initialized<double>(init, 6, 10, 4, 8).A != wide.A);
  }
}

TEST_CASE("initialisation follows the strides of a view", "[lora_init]") {
  const auto f = initialized<double>(LoraInit::orthogonal, 6, 10, 4, 7);
  Eigen::MatrixXd A(4, 10), B(6, 4);
  LoraConfig config;
  config.init = LoraInit::orthogonal;
  config.rank = 4;
  config.seed = 7;
  lorapro::initialize_lora(config, lorapro::make_view(A), lorapro::make_view(B));
  CHECK(A == f.A);
  CHECK(B == f.B);
}

}  // namespace
