// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/storage.hpp>
#include <lorapro/linalg/spectral_pair.hpp>

#include <algorithm>  // std::max

#include "support/pair_data.hpp"

namespace bench {

using WideMatrix = lorapro::RowMatrix<double>;

/// Gram matrix of `rank` random rows of length 4 rank: full rank, condition number about 10.
inline WideMatrix random_gram(Index rank, std::uint64_t key) {
  const WideMatrix rows = random_matrix<double>(rank, 4 * rank, 1, key);
  return rows * rows.transpose();
}

/// What the r x r solve of a pair starts from.
struct SpectraData {
  explicit SpectraData(Index rank, std::uint64_t pair = 0)
      : gram_A(random_gram(rank, 4 * pair + 1)),
        gram_B(random_gram(rank, 4 * pair + 2)),
        cross_A(random_matrix<double>(rank, rank, 1, 4 * pair + 3)),
        cross_B(random_matrix<double>(rank, rank, 1, 4 * pair + 4)),
        spectra(rank),
        scratch(std::max(lorapro::SpectralPair::scratch_size(rank), rank * rank)) {}

  bool compute_spectra() {
    return spectra.compute(square(gram_A), square(gram_B), lorapro::storage_epsilon<float>(),
                           lorapro::Workspace(scratch));
  }

  static lorapro::ConstSquare square(const WideMatrix& matrix) {
    return {matrix.data(), matrix.rows()};
  }

  WideMatrix gram_A, gram_B, cross_A, cross_B;
  lorapro::SpectralPair spectra;
  lorapro::Buffer<lorapro::Wide> scratch;
};

}  // namespace bench
