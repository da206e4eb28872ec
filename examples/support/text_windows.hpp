// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/random.hpp>
#include <algorithm>  // std::min
#include <cstdint>
#include <string>
#include <string_view>

#include "../nn/gpt_text.hpp"

// Running text as batches of windows for a byte-level GPT.
namespace examples {

/// Windows of `length` bytes at random places of `text`, which is longer; what they are depends on
/// the seed and the step alone, so that a training can be taken up anywhere.
inline nn::Batch random_windows(std::string_view text, lorapro::Index count, lorapro::Index length,
                                std::uint64_t seed, std::int64_t step) {
  nn::Batch batch{{count, length, {}}, {}, {}};
  const std::uint64_t key = lorapro::derive_key(seed, static_cast<std::uint64_t>(step));
  const std::size_t places = text.size() - static_cast<std::size_t>(length);
  for (lorapro::Index i = 0; i < count; ++i) {
    const std::size_t place =
        lorapro::random_bits(key, static_cast<std::uint64_t>(i)) % places;  // bias below 2^-30
    for (lorapro::Index k = 0; k < length; ++k) {
      const std::size_t at = place + static_cast<std::size_t>(k);
      batch.tokens.push_back(static_cast<unsigned char>(text[at]));
      batch.labels.push_back(static_cast<unsigned char>(text[at + 1]));
    }
  }
  return batch;
}

/// How a text is predicted.
struct TextScore {
  double bits_per_character = 0.0;
  double next_byte_match = 0.0;  // the share of bytes that were the most likely ones
};

/// Predicts up to `limit` bytes of `text`, spread evenly over it. The second half of each window is
/// what counts, so that every prediction has half a context at least.
template <typename Scalar>
TextScore score_text(nn::Gpt<Scalar>& gpt, std::string_view text, std::size_t limit) {
  constexpr std::size_t kWindowsAtOnce = 32;
  const auto length = static_cast<std::size_t>(gpt.config().context);
  const std::size_t counted = length / 2;
  if (text.size() <= length) return {};
  const std::size_t places = (text.size() - length - 1) / counted + 1;
  const std::size_t windows = std::min(places, std::max<std::size_t>(limit / counted, 1));
  double log_likelihood = 0.0, matches = 0.0;
  for (std::size_t first = 0; first < windows; first += kWindowsAtOnce) {
    const std::size_t count = std::min(kWindowsAtOnce, windows - first);
    nn::Batch batch{
        {static_cast<lorapro::Index>(count), static_cast<lorapro::Index>(length), {}}, {}, {}};
    for (std::size_t i = first; i < first + count; ++i) {
      const std::size_t place = i * places / windows * counted;
      for (std::size_t k = 0; k < length; ++k) {
        batch.tokens.push_back(static_cast<unsigned char>(text[place + k]));
        batch.labels.push_back(
            k < length - counted ? nn::kNoLabel : static_cast<unsigned char>(text[place + k + 1]));
      }
    }
    const auto& logits = gpt.forward(batch.tokens, batch.sequences);
    for (const double part : nn::log_probabilities(logits, batch.labels)) log_likelihood += part;
    for (std::size_t i = 0; i < batch.labels.size(); ++i) {
      if (batch.labels[i] == nn::kNoLabel) continue;
      lorapro::Index best = 0;
      logits.row(static_cast<lorapro::Index>(i)).maxCoeff(&best);
      if (best == batch.labels[i]) matches += 1.0;
    }
  }
  const auto bytes = static_cast<double>(windows * counted);
  return {-log_likelihood / bytes / std::log(2.0), matches / bytes};
}

}  // namespace examples
