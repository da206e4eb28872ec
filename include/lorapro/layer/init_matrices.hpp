// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/base_weight.hpp>
#include <lorapro/layer/lora_config.hpp>
#include <lorapro/layer/weight_tiles.hpp>
#include <lorapro/linalg/randomized_svd.hpp>

#include <optional>  // std::optional

LORAPRO_NAMESPACE_BEGIN

/// \file
/// What initialisers that decompose W0 or a gradient share.

namespace detail {

template <typename Weight>
inline constexpr bool is_floating_weight_v = false;
template <typename T>
inline constexpr bool is_floating_weight_v<BaseWeight<T>> = true;

/// Refuses at once the W0 from which a layer could not take the product of A and B afterwards.
/// \param init  of whom the message speaks.
template <typename Weight>
void check_can_change(const char* init, const Weight& weight) {
  if constexpr (is_floating_weight_v<Weight>) {
    check_can_merge(weight);
  } else {
    throw ConfigError(std::string("base_weight: expected a floating-point W0 for ") + init +
                      ", which changes it, got " + Weight::kFormat);
  }
}

/// \throws ConfigError unless `multiple` rank vectors are there.
inline void check_rank(const char* init, Index rank, Index multiple, Index rows, Index cols) {
  const Index most = (std::min)(rows, cols) / multiple;
  if (rank > most)
    throw ConfigError("rank: expected at most " + std::to_string(most) + " for " + init + " of " +
                      checks::shape_text(rows, cols) + ", got " + std::to_string(rank));
}

/// A matrix in memory as a class of weights (weight_tiles.hpp).
template <typename T>
struct ViewWeight {
  MatrixView<const T> view;

  Index out_features() const { return view.rows; }
  Index in_features() const { return view.cols; }

  template <typename Scalar>
  void decode(Index row, Index rows, Index col, Index cols, Scalar* out, Index stride) const {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j)
        out[i * stride + j] = static_cast<Scalar>(view(row + i, col + j));
  }
};

/// The columns [0, cols) of a weight. \throws ConfigError (an entry that is not finite, with its
/// place).
template <typename Weight>
RowMatrix<double> finite_columns(const char* name, const Weight& weight, Index cols) {
  RowMatrix<double> out(weight.out_features(), cols);
  weight.decode(0, out.rows(), 0, cols, out.data(), cols);
  for (Index i = 0; i < out.rows(); ++i)
    for (Index j = 0; j < cols; ++j)
      if (!is_finite(out(i, j)))
        throw ConfigError(std::string(name) + ": expected finite numbers, got another at " +
                          checks::shape_text(i, j));
  return out;
}

/// The leading triplets of a weight: exact, or as `randomized` finds them without a copy of it.
/// \param name  of the weight in messages.
template <typename Weight>
LeadingSvd leading_svd(const char* name, const Weight& weight, Index count,
                       const std::optional<RandomizedSvd>& randomized) {
  if (!randomized)
    return lorapro::leading_svd(finite_columns(name, weight, weight.in_features()), count);
  return checks::naming(name, [&] {
    return (*randomized)(WeightTiles<double, Weight>(weight),
                         TransposedWeightTiles<double, Weight>(weight), count);
  });
}

/// A and B in equal shares of what they multiply to: c B A = left diag(values) right^T.
/// \param c  not 0; A takes its sign.
template <typename Scalar>
void share_svd(const LeadingSvd& svd, double c, const MatrixView<Scalar>& lora_A,
               const MatrixView<Scalar>& lora_B) {
  for (Index k = 0; k < lora_A.rows; ++k) {
    const double root = std::sqrt(svd.values(k) / std::abs(c)), signed_root = c < 0 ? -root : root;
    for (Index j = 0; j < lora_A.cols; ++j)
      lora_A(k, j) = static_cast<Scalar>(signed_root * svd.right(j, k));
    for (Index i = 0; i < lora_B.rows; ++i)
      lora_B(i, k) = static_cast<Scalar>(root * svd.left(i, k));
  }
}

}  // namespace detail

LORAPRO_NAMESPACE_END
