// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>
#include <lorapro/core/storage.hpp>
#include <lorapro/linalg/leading_svd.hpp>

#include <algorithm>  // std::none_of
#include <cmath>      // std::ldexp, std::frexp
#include <limits>     // std::numeric_limits
#include <vector>     // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// What part of the Frobenius norm of B A rounding to the nearest number of a type explains: two
/// factors, each of which is off by at most u = storage_epsilon / 2 of its norm, and their product
/// by u (2 + u) where the columns of B and the rows of A do not cancel. 0.1 % in F16, 0.8 % in
/// BF16.
inline double explained_loss(StorageType type) {
  const double unit = storage_epsilon(type) / 2;
  return unit * (2 + unit);
}

/// How the factors of a pair are brought into a type of fewer bits.
struct FactorRounding {
  /// Column k of lora_B is multiplied by 2^exponents[k] and row k of lora_A divided by it, so that
  /// B A is what it was; empty where no number changes.
  std::vector<int> exponents;
  /// ||B' A' - B A||_F / ||B A||_F of the factors B', A' of the type; infinite where B A is 0 and
  /// B' A' is not, or a number leaves the range of the type.
  double loss = 0;
};

namespace detail {

/// The number of `type` next to x, by way of float, as files are written.
template <typename T>
double rounded_to(double x) {
  if constexpr (std::is_same_v<T, double>) return x;
  return static_cast<double>(static_cast<T>(static_cast<float>(x)));
}

/// x < 2^exponent_of(x), for x > 0.
inline int exponent_of(double x) {
  int exponent = 0;
  std::frexp(x, &exponent);
  return exponent;
}

enum class RangeFit { accurate, inaccurate, out_of_range };

/// What becomes of the numbers of one column of lora_B, or row of lora_A, times 2^exponent in T:
/// off by no more than half a step of T each, or more, as where they are subnormal. Numbers much
/// smaller than the others do not count: the measure is the norm.
template <typename T, typename Numbers>
RangeFit range_fit(const Numbers& numbers, int exponent) {
  const double largest = numbers.cwiseAbs().maxCoeff();
  if (!(largest > 0)) return RangeFit::accurate;
  const int top = exponent_of(largest);  // keeps the squares within range
  double error = 0, norm = 0;
  for (Index i = 0; i < numbers.size(); ++i) {
    const double wanted = std::ldexp(numbers(i), exponent);
    const double came = rounded_to<T>(wanted);
    if (!is_finite(came)) return RangeFit::out_of_range;
    const double off = std::ldexp(came - wanted, -top - exponent);
    const double size = std::ldexp(numbers(i), -top);
    error += off * off;
    norm += size * size;
  }
  const double unit = storage_epsilon<T>() / 2 * (1 + 1e-9);
  return error <= unit * unit * norm ? RangeFit::accurate : RangeFit::inaccurate;
}

/// The power of two that makes a column of lora_B and a row of lora_A equally large, where one of
/// them does not fit in T as it is. Equal maxima leave both the same distance from either end of
/// the range. Where one of the two is 0 the other is made to fit, and left alone where it is merely
/// inaccurate: B A is 0 whatever it is, and an adapter that is not trained yet keeps its start.
template <typename T, typename Row, typename Column>
int balancing_exponent(const Row& a, const Column& b) {
  const RangeFit fit_a = range_fit<T>(a, 0), fit_b = range_fit<T>(b, 0);
  if (fit_a == RangeFit::accurate && fit_b == RangeFit::accurate) return 0;
  const double largest_a = a.cwiseAbs().maxCoeff(), largest_b = b.cwiseAbs().maxCoeff();
  if (largest_a > 0 && largest_b > 0) return (exponent_of(largest_a) - exponent_of(largest_b)) / 2;
  if (fit_a == RangeFit::out_of_range) return exponent_of(largest_a);
  return fit_b == RangeFit::out_of_range ? -exponent_of(largest_b) : 0;
}

/// Exponents for FactorRounding; empty where all are 0.
/// \param A  (rank, n). \param B  (m, rank). Finite.
template <typename T>
std::vector<int> balancing_exponents(const RowMatrix<double>& A, const RowMatrix<double>& B) {
  std::vector<int> out;
  for (Index k = 0; k < A.rows(); ++k) out.push_back(balancing_exponent<T>(A.row(k), B.col(k)));
  const auto moves = [](int exponent) { return exponent != 0; };
  if (std::none_of(out.begin(), out.end(), moves)) out.clear();
  return out;
}

/// lora_A over, or lora_B times, the powers of two.
inline void balance_A(const std::vector<int>& exponents, RowMatrix<double>& A) {
  for (std::size_t k = 0; k < exponents.size(); ++k)
    A.row(static_cast<Index>(k)) = A.row(static_cast<Index>(k)).unaryExpr([&](double x) {
      return std::ldexp(x, -exponents[k]);
    });
}
inline void balance_B(const std::vector<int>& exponents, RowMatrix<double>& B) {
  for (std::size_t k = 0; k < exponents.size(); ++k)
    B.col(static_cast<Index>(k)) = B.col(static_cast<Index>(k)).unaryExpr([&](double x) {
      return std::ldexp(x, exponents[k]);
    });
}

/// The triangle R of X = Q R, or X itself where it has no more rows than columns: both have the
/// norms, and the inner products of columns, of X.
inline Eigen::MatrixXd norm_triangle(const Eigen::MatrixXd& X) {
  return X.rows() <= X.cols() ? X : triangular_factor(X);
}

/// FactorRounding::loss of factors that are balanced already.
/// With dB = B' - B and dA = A' - A the difference is [dB, B] [A'; dA], whose norm is that of the
/// product of two triangles: nothing of m n numbers is made, and nothing is squared that would
/// cancel, as it does in the Gram matrices of factors whose columns nearly do (difference_module).
template <typename T>
double loss_in(const RowMatrix<double>& A, const RowMatrix<double>& B) {
  const Index rank = A.rows();
  const auto round = [](double x) { return rounded_to<T>(x); };
  Eigen::MatrixXd left(B.rows(), 2 * rank), right(A.cols(), 2 * rank);
  left.rightCols(rank) = B;
  left.leftCols(rank) = B.unaryExpr(round) - B;
  right.leftCols(rank) = A.unaryExpr(round).transpose();
  right.rightCols(rank) = right.leftCols(rank) - A.transpose();
  left = norm_triangle(left);
  right = norm_triangle(right);
  const double error = (left * right.transpose()).norm();
  const Eigen::MatrixXd exact = right.leftCols(rank) - right.rightCols(rank);
  const double norm = (left.rightCols(rank) * exact.transpose()).norm();
  // Below this both are the roundings of this sum: B A cancels to 0, and B' A' with it.
  const double least =
      1e-14 *
      (left.rightCols(rank).colwise().norm().array() * exact.colwise().norm().array()).sum();
  if (error <= least && norm <= least) return 0;
  return norm > 0 ? error / norm : std::numeric_limits<double>::infinity();
}

/// Whether every number is finite once it is in T.
template <typename T>
bool finite_as(const RowMatrix<double>& values) {
  for (Index k = 0; k < values.size(); ++k)
    if (!is_finite(rounded_to<T>(values.data()[k]))) return false;
  return true;
}

template <typename T>
bool all_finite(const RowMatrix<T>& values) {
  for (Index k = 0; k < values.size(); ++k)
    if (!is_finite(static_cast<double>(values.data()[k]))) return false;
  return true;
}

}  // namespace detail

/// How the factors of a pair are best brought into `type`, and what that costs. Powers of two go
/// from one factor to the other, for each column of lora_B and row of lora_A, where one of them
/// would be subnormal in the type or leave its range. That changes no B A and so no function of an
/// adapter, whose factors are used for nothing else. \param A  (rank, n), \param B
/// (m, rank); a loss of infinity where one is not finite. \cost 8 (m + n) rank^2 flops, 4 (m + n)
/// rank doubles.
inline FactorRounding round_factors(RowMatrix<double> A, RowMatrix<double> B, StorageType type) {
  FactorRounding out;
  out.loss = std::numeric_limits<double>::infinity();
  if (!detail::all_finite(A) || !detail::all_finite(B)) return out;
  visit_storage_type(type, [&](auto zero) {
    using T = decltype(zero);
    out.exponents = detail::balancing_exponents<T>(A, B);
    detail::balance_A(out.exponents, A);
    detail::balance_B(out.exponents, B);
    if (detail::finite_as<T>(A) && detail::finite_as<T>(B)) out.loss = detail::loss_in<T>(A, B);
  });
  return out;
}

/// Factors of double in float, balanced where they would not fit as they are.
struct FloatFactors {
  RowMatrix<float> A, B;
  /// B A is to within what rounding explains: false where no powers of two make both factors fit.
  bool fits = true;
};

inline FloatFactors float_factors(RowMatrix<double> A, RowMatrix<double> B) {
  FloatFactors out;
  out.fits = detail::all_finite(A) && detail::all_finite(B);
  if (out.fits) {
    const auto exponents = detail::balancing_exponents<float>(A, B);
    detail::balance_A(exponents, A);
    detail::balance_B(exponents, B);
    for (Index k = 0; k < A.rows(); ++k) {
      const bool is_zero = A.row(k).isZero(0) || B.col(k).isZero(0);
      const auto fit_a = detail::range_fit<float>(A.row(k), 0),
                 fit_b = detail::range_fit<float>(B.col(k), 0);
      out.fits =
          out.fits && fit_a != detail::RangeFit::out_of_range &&
          fit_b != detail::RangeFit::out_of_range &&
          (is_zero || (fit_a == detail::RangeFit::accurate && fit_b == detail::RangeFit::accurate));
    }
  }
  out.A = A.cast<float>();
  out.B = B.cast<float>();
  return out;
}

}  // namespace io
LORAPRO_NAMESPACE_END
