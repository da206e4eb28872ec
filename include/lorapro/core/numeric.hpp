// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <Eigen/Core>   // Index, bfloat16, half
#include <algorithm>    // std::max
#include <limits>       // std::numeric_limits
#include <type_traits>  // std::is_same_v

#if !EIGEN_VERSION_AT_LEAST(3, 4, 0)
#error "lorapro: expected Eigen 3.4 or later"
#endif

LORAPRO_NAMESPACE_BEGIN

using Index = Eigen::Index;
using bfloat16 = Eigen::bfloat16;
using half = Eigen::half;

/// Row-major dense matrix: the layout of PyTorch, ggml and safetensors.
template <typename T>
using RowMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Types that can be computed in.
template <typename T>
inline constexpr bool is_compute_scalar_v = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// Types that can be stored: the compute scalars, and bfloat16 and half, which only store.
template <typename T>
inline constexpr bool is_storage_scalar_v =
    is_compute_scalar_v<T> || std::is_same_v<T, bfloat16> || std::is_same_v<T, half>;

/// The scalar of Gram matrices and of the r x r algebra. cond(B^T B) = cond(B)^2, so float factors
/// need double here; products of two floats are exact in it.
using Wide = double;

/// Unit roundoff distance (2^-7 for bfloat16, 2^-10 for half, 2^-23, 2^-52).
template <typename T>
constexpr double storage_epsilon() {
  if constexpr (std::is_same_v<T, bfloat16>) {
    return 0.0078125;
  } else if constexpr (std::is_same_v<T, half>) {
    return 0.0009765625;
  } else {
    return static_cast<double>(std::numeric_limits<T>::epsilon());
  }
}

/// eps of the relative cutoffs: the wide scalar cannot resolve below its own epsilon, and entries
/// stored with epsilon e perturb the eigenvalues of a Gram matrix's null space by order e^2.
constexpr double cutoff_epsilon(double storage_eps) {
  return storage_eps * storage_eps > std::numeric_limits<Wide>::epsilon()
             ? storage_eps * storage_eps
             : std::numeric_limits<Wide>::epsilon();
}

LORAPRO_NAMESPACE_END
