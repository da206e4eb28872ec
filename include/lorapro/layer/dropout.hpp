// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/core/view.hpp>

LORAPRO_NAMESPACE_BEGIN

/// A dropout mask (rows, cols), which is not stored: an element is a function of these numbers and
/// of its place. So backward draws the mask of its forward again, and a forward that is computed a
/// second time, to save the memory of what is between, drops what it dropped the first time.
struct Dropout {
  double probability = 0;  ///< with which an element is dropped; in [0, 1)
  std::uint64_t seed = 0;
  std::uint64_t number = 0;  ///< of the mask; another one for each batch

  bool drops() const { return probability > 0; }

  /// out(i, j) = x(i, j) m(i, j), where the element (i, j) of the mask
  ///
  ///     m(i, j) = 0 with the probability p, else 1 / (1 - p)
  ///
  /// is that of the row first_row + i.
  /// \param x         (rows, cols), a block of rows of a batch.
  /// \param[out] out  of the same shape; may be x.
  /// \cost a random number, some 2 ns, per element; no heap.
  template <typename Scalar>
  void apply(const MatrixView<const Scalar>& x, Index first_row,
             const MatrixView<Scalar>& out) const {
    for (Index i = 0; i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j)
        out(i, j) = x(i, j) * factor<Scalar>((first_row + i) * x.cols + j);
  }

 private:
  /// The first numbers of a seed are those of the initialisation.
  static constexpr std::uint64_t kFirstStream = 16;

  template <typename Scalar>
  Scalar factor(Index element) const {
    const std::uint64_t key = derive_key(seed, kFirstStream + number);
    return random_uniform(key, static_cast<std::uint64_t>(element)) < probability
               ? Scalar(0)
               : static_cast<Scalar>(1 / (1 - probability));
  }
};

LORAPRO_NAMESPACE_END
