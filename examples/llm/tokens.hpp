// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>  // Index
#include <cstdint>
#include <vector>

namespace examples::llm {

using lorapro::Index;

/// The row of the embedding that stands for a token.
using TokenId = std::int32_t;

/// A text as it is trained on. Both vectors have one element for each token.
struct TokenizedExample {
  std::vector<TokenId> ids;
  /// Whether the loss asks for ids[t], given ids[0 .. t - 1]; never for the first.
  std::vector<bool> trained;
};

/// The label of a row that predicts nothing.
inline constexpr TokenId kNoLabel = -1;

/// Examples one after the other, as one forward pass takes them: no row sees those of another
/// example, and positions count from 0 in each.
struct TokenBatch {
  std::vector<TokenId> ids;
  /// What each row predicts, the next id of its example, or kNoLabel.
  std::vector<TokenId> labels;
  /// The first row of each example, and ids.size().
  std::vector<Index> starts{0};

  Index rows() const { return static_cast<Index>(ids.size()); }
  Index examples() const { return static_cast<Index>(starts.size()) - 1; }
};

}  // namespace examples::llm
