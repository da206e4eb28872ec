// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "packing.hpp"

#include <lorapro/core/error.hpp>
#include <lorapro/core/random.hpp>
#include <algorithm>  // std::stable_sort
#include <numeric>    // std::iota
#include <set>
#include <utility>

namespace examples::llm {

namespace {

/// 0, ..., count - 1 in the order of an epoch.
Pack order_of_epoch(std::size_t count, std::uint64_t seed, std::int64_t epoch) {
  const std::uint64_t key = lorapro::derive_key(seed, static_cast<std::uint64_t>(epoch));
  Pack order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) {
    // The bias of % is below 2^-40 here.
    std::swap(order[i - 1], order[lorapro::random_bits(key, i) % i]);
  }
  return order;
}

std::vector<Pack> packs_of(const Pack& examples, const std::vector<Index>& rows,
                           const PackingOptions& options) {
  if (options.packing) return best_fit(examples, rows, options.micro_tokens);
  std::vector<Pack> alone;
  for (const std::size_t example : examples) alone.push_back({example});
  return alone;
}

void check_sizes(const std::vector<Index>& rows, const PackingOptions& options) {
  const Index longest = rows.empty() ? 1 : *std::max_element(rows.begin(), rows.end());
  lorapro::checks::config(options.micro_tokens >= longest, "micro_tokens",
                          "at least the rows of the longest example", options.micro_tokens);
  lorapro::checks::config(options.tokens_per_step >= longest, "tokens_per_step",
                          "at least the rows of the longest example", options.tokens_per_step);
}

}  // namespace

std::vector<Pack> best_fit(const Pack& examples, const std::vector<Index>& rows, Index capacity) {
  Pack longest_first = examples;
  std::stable_sort(longest_first.begin(), longest_first.end(),
                   [&](std::size_t a, std::size_t b) { return rows[a] > rows[b]; });
  std::vector<Pack> packs;
  std::set<std::pair<Index, std::size_t>> room;  // that is left in a pack, and its number
  for (const std::size_t example : longest_first) {
    const auto best = room.lower_bound({rows[example], 0});
    auto [left, number] = best == room.end() ? std::pair(capacity, packs.size()) : *best;
    if (best == room.end()) {
      packs.emplace_back();
    } else {
      room.erase(best);
    }
    packs[number].push_back(example);
    room.insert({left - rows[example], number});
  }
  return packs;
}

std::vector<StepPacks> epoch_steps(const std::vector<Index>& rows, const PackingOptions& options,
                                   std::int64_t epoch) {
  check_sizes(rows, options);
  std::vector<StepPacks> steps;
  Pack taken;
  Index taken_rows = 0;
  for (const std::size_t example : order_of_epoch(rows.size(), options.seed, epoch)) {
    if (!taken.empty() && taken_rows + rows[example] > options.tokens_per_step) {
      steps.push_back(packs_of(taken, rows, options));
      taken.clear();
      taken_rows = 0;
    }
    taken.push_back(example);
    taken_rows += rows[example];
  }
  if (!taken.empty()) steps.push_back(packs_of(taken, rows, options));
  return steps;
}

std::vector<Pack> evaluation_packs(const std::vector<Index>& rows, const PackingOptions& options) {
  check_sizes(rows, options);
  Pack all(rows.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return packs_of(all, rows, options);
}

std::vector<Index> rows_of(const std::vector<TokenizedExample>& examples) {
  std::vector<Index> rows;
  rows.reserve(examples.size());
  for (const TokenizedExample& example : examples) rows.push_back(rows_of(example));
  return rows;
}

TokenBatch make_batch(const std::vector<TokenizedExample>& examples, const Pack& pack) {
  TokenBatch batch;
  for (const std::size_t number : pack) {
    const TokenizedExample& example = examples[number];
    for (std::size_t t = 0; t + 1 < example.ids.size(); ++t) {
      batch.ids.push_back(example.ids[t]);
      batch.labels.push_back(example.trained[t + 1] ? example.ids[t + 1] : kNoLabel);
    }
    batch.starts.push_back(batch.rows());
  }
  return batch;
}

Index count_labels(const TokenBatch& batch) {
  return batch.rows() -
         static_cast<Index>(std::count(batch.labels.begin(), batch.labels.end(), kNoLabel));
}

}  // namespace examples::llm
