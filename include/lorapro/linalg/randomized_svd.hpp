// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/finite.hpp>
#include <lorapro/core/random.hpp>
#include <lorapro/linalg/leading_svd.hpp>
#include <lorapro/linalg/tiled_product.hpp>

#include <algorithm>  // std::min

LORAPRO_NAMESPACE_BEGIN

/// The leading singular triplets of a large matrix from a random sample of its range, which power
/// iterations turn towards the leading vectors. With l = count + oversampling vectors, and each
/// product made orthonormal,
///
///     Q = M Omega,  iterations times  Q = M (M^T Q),  then the exact SVD of Q^T M (l, n)
///
/// What is found of M is short of the best approximation by about (sigma_{l+1} / sigma_k)^(2
/// iterations + 1) in the direction k: exact where l is all of M, close where the values fall, and a
/// good basis where they do not. The same numbers for the same seed, whatever the number of threads.
/// \ref Halko, Martinsson, Tropp, arXiv:0909.4061, algorithms 4.4 and 5.1.
struct RandomizedSvd {
  Index oversampling = 10;  ///< >= 0
  int iterations = 4;       ///< >= 0
  std::uint64_t seed = 0;
  int threads = 0;  ///< of the products; 0: as many as OpenMP has

  /// \param matrix, transposed  tiles (TiledProduct) in double of M (m, n) and of M^T (n, m).
  /// \param count  1 to min(m, n).
  /// \cost 4 (iterations + 1) m n l flops, in double; 2 l (m + n) doubles on the heap.
  /// \throws ConfigError (a field, count; an entry of M that is not finite).
  template <typename Tiles, typename TransposedTiles>
  LeadingSvd operator()(const Tiles& matrix, const TransposedTiles& transposed, Index count) const {
    const Index rows = matrix.depth(), cols = matrix.width(), most = (std::min)(rows, cols);
    checks::config(count >= 1 && count <= most, "count", "a number from 1 to the sides of M",
                   count);
    checks::config(oversampling >= 0, "oversampling", "a number >= 0", oversampling);
    checks::config(iterations >= 0, "iterations", "a number >= 0", iterations);
    checks::config(threads >= 0, "threads", "a number >= 0", threads);
    const Index size = (std::min)(count + oversampling, most);

    // Vectors are rows here, as the products take them.
    RowMatrix<double> of_rows(size, rows), of_cols(size, cols);
    const auto times_matrix = [&] { multiply(of_rows, matrix, of_cols); };
    const auto times_transposed = [&] { multiply(of_cols, transposed, of_rows); };
    for (Index k = 0; k < of_cols.size(); ++k)
      of_cols.data()[k] = random_normal(seed, static_cast<std::uint64_t>(k));
    times_transposed();
    make_orthonormal(of_rows);
    for (int pass = 0; pass < iterations; ++pass) {
      times_matrix();
      make_orthonormal(of_cols);
      times_transposed();
      make_orthonormal(of_rows);
    }
    times_matrix();

    // (Q^T M)^T = X S Y^T, so that M ~ (Q Y) S X^T.
    const LeadingSvd core = leading_svd(of_cols.transpose(), count);
    LeadingSvd out{of_rows.transpose() * core.right, core.values, core.left};
    orient_columns(out.left, out.right);
    return out;
  }

 private:
  template <typename Tiles>
  void multiply(const RowMatrix<double>& left, const Tiles& right, RowMatrix<double>& out) const {
    TiledProduct<double>::assign(make_view(left), right, make_view(out), thread_count(threads));
    for (Index k = 0; k < out.size(); ++k)
      if (!is_finite(out.data()[k]))
        throw ConfigError("matrix: expected finite numbers, got one that is not");
  }

  /// Replaces rows by an orthonormal basis of what they span, completed where they are dependent.
  static void make_orthonormal(RowMatrix<double>& rows) {
    rows = orthonormal_columns(rows.transpose()).transpose();
  }
};

LORAPRO_NAMESPACE_END
