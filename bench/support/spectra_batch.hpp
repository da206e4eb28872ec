// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>  // std::unique_ptr
#include <vector>  // std::vector

#include "support/spectra_data.hpp"

namespace bench {

/// Eight pairs whose spectra are decomposed by the packet, as an optimizer does.
class SpectraBatch {
 public:
  explicit SpectraBatch(Index rank)
      : rank_(rank), scratch_(lorapro::batched_eigen_scratch(rank, lorapro::kEigenLanes)) {
    for (std::uint64_t k = 0; k < kPairs; ++k)
      pairs_.push_back(std::make_unique<SpectraData>(rank, k));
  }

  /// One pair after the other; where a packet begins, the spectra of all its pairs are decomposed.
  /// So the mean time of a call is that of a pair. \return null if something was not finite.
  SpectraData* next_spectra() {
    constexpr std::size_t kTogether = lorapro::kEigenLanes < 2 ? 1 : lorapro::kEigenLanes / 2;
    static_assert(kPairs % kTogether == 0, "a packet ends with the pairs");
    if (next_ % kTogether == 0) {
      lorapro::EigenProblem* problems[2 * kTogether];
      for (std::size_t k = 0; k < kTogether; ++k) {
        SpectraData& pair = *pairs_[next_ + k];
        pair.spectra.set_gram(lorapro::Side::A, pair.square(pair.gram_A));
        pair.spectra.set_gram(lorapro::Side::B, pair.square(pair.gram_B));
        problems[2 * k] = &pair.spectra.problem(lorapro::Side::A);
        problems[2 * k + 1] = &pair.spectra.problem(lorapro::Side::B);
      }
      lorapro::batched_eigen(problems, 2 * kTogether, rank_, scratch_.data());
    }
    SpectraData& pair = *pairs_[next_];
    next_ = (next_ + 1) % kPairs;
    return pair.spectra.finish(lorapro::storage_epsilon<float>()) ? &pair : nullptr;
  }

 private:
  static constexpr std::size_t kPairs = 8;

  Index rank_;
  std::vector<std::unique_ptr<SpectraData>> pairs_;
  lorapro::Buffer<lorapro::Wide> scratch_;
  std::size_t next_ = 0;
};

}  // namespace bench
