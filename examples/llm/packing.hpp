// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <vector>

#include "tokens.hpp"

namespace examples::llm {

/// Numbers of examples that go through the model together.
using Pack = std::vector<std::size_t>;

/// The packs of one step of the optimizer.
using StepPacks = std::vector<Pack>;

struct PackingOptions {
  Index tokens_per_step = 4096;
  Index micro_tokens = 1024;  ///< rows of a batch
  bool packing = true;        ///< else each example is a batch
  std::uint64_t seed = 0;
};

/// Rows that an example takes of a batch: its last id is asked for and asks for nothing.
inline Index rows_of(const TokenizedExample& example) {
  return static_cast<Index>(example.ids.size()) - 1;
}

/// Fills packs of at most `capacity` rows: the longest example first, each into the pack in which
/// it leaves the least room, or into a new one. The same packs for the same input.
/// \param examples  the numbers of those to pack. \param rows  of each example there is.
/// \cost O(n log n). \ref best-fit decreasing: D. S. Johnson, Near-optimal bin packing algorithms,
/// MIT, 1973.
std::vector<Pack> best_fit(const Pack& examples, const std::vector<Index>& rows, Index capacity);

/// The steps of epoch number `epoch`: the examples in an order of its own, as many in each step as
/// have at most tokens_per_step rows, and at least one. A function of its arguments alone, so that
/// a training can go on at any step.
/// \throws lorapro::ConfigError (an example longer than micro_tokens, or that than
/// tokens_per_step).
std::vector<StepPacks> epoch_steps(const std::vector<Index>& rows, const PackingOptions& options,
                                   std::int64_t epoch);

/// All examples in their order of packing, once, for an evaluation.
std::vector<Pack> evaluation_packs(const std::vector<Index>& rows, const PackingOptions& options);

std::vector<Index> rows_of(const std::vector<TokenizedExample>& examples);

/// The examples of a pack, one after the other.
TokenBatch make_batch(const std::vector<TokenizedExample>& examples, const Pack& pack);

/// The rows of a batch that have a label.
Index count_labels(const TokenBatch& batch);

}  // namespace examples::llm
