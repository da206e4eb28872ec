// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/packing.hpp"

#include <lorapro/core/error.hpp>
#include <algorithm>
#include <numeric>

#include "support/catch.hpp"

namespace {

namespace llm = examples::llm;
using llm::Index;

Index rows_in(const llm::Pack& pack, const std::vector<Index>& rows) {
  return std::accumulate(pack.begin(), pack.end(), Index{0},
                         [&](Index sum, std::size_t example) { return sum + rows[example]; });
}

std::vector<Index> mixed_rows() {
  std::vector<Index> rows;
  for (Index i = 0; i < 200; ++i) rows.push_back(1 + (i * 37) % 90);
  return rows;
}

TEST_CASE("best fit fills what has the least room", "[packing]") {
  // 6 and 5 open two packs, 4 fits the first alone, 3 the second, 2 the second, 1 a new one.
  const std::vector<Index> rows{1, 2, 3, 4, 5, 6};
  const auto packs = llm::best_fit({0, 1, 2, 3, 4, 5}, rows, 10);
  REQUIRE(packs.size() == 3);
  CHECK(packs[0] == llm::Pack{5, 3});
  CHECK(packs[1] == llm::Pack{4, 2, 1});
  CHECK(packs[2] == llm::Pack{0});
}

TEST_CASE("an epoch has every example once, within the sizes", "[packing]") {
  const auto rows = mixed_rows();
  llm::PackingOptions options;
  options.tokens_per_step = 400;
  options.micro_tokens = 100;
  for (const bool packing : {true, false}) {
    options.packing = packing;
    std::vector<std::size_t> seen;
    for (const auto& step : llm::epoch_steps(rows, options, 0)) {
      Index in_step = 0;
      for (const auto& pack : step) {
        CHECK(rows_in(pack, rows) <= options.micro_tokens);
        if (!packing) CHECK(pack.size() == 1);
        in_step += rows_in(pack, rows);
        seen.insert(seen.end(), pack.begin(), pack.end());
      }
      CHECK(in_step <= options.tokens_per_step);
    }
    std::sort(seen.begin(), seen.end());
    REQUIRE(seen.size() == rows.size());
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i);
  }
}

TEST_CASE("packing leaves little room", "[packing]") {
  const auto rows = mixed_rows();
  llm::PackingOptions options;
  options.micro_tokens = 100;
  const auto packs = llm::evaluation_packs(rows, options);
  const Index total = std::accumulate(rows.begin(), rows.end(), Index{0});
  // Best-fit decreasing takes at most 11/9 of the least number of packs, and one.
  CHECK(static_cast<Index>(packs.size()) <= (total + 99) / 100 * 11 / 9 + 1);
}

TEST_CASE("epochs differ, and each is the same whenever it is asked for", "[packing]") {
  const auto rows = mixed_rows();
  const llm::PackingOptions options;
  const auto first = llm::epoch_steps(rows, options, 0);
  CHECK(llm::epoch_steps(rows, options, 0) == first);
  CHECK(llm::epoch_steps(rows, options, 1) != first);
  llm::PackingOptions other = options;
  other.seed = 1;
  CHECK(llm::epoch_steps(rows, other, 0) != first);
}

TEST_CASE("examples larger than a batch are refused", "[packing]") {
  llm::PackingOptions options;
  options.micro_tokens = 5;
  CHECK_THROWS_AS(llm::epoch_steps({6}, options, 0), lorapro::ConfigError);
  options.micro_tokens = 10;
  options.tokens_per_step = 5;
  CHECK_THROWS_AS(llm::epoch_steps({6}, options, 0), lorapro::ConfigError);
}

TEST_CASE("a batch has a row for every id but the last, and the next id as label", "[packing]") {
  const std::vector<llm::TokenizedExample> examples{
      {{1, 2, 3}, {false, false, true}}, {{4, 5}, {false, true}}, {{6, 7, 8}, {false, true, true}}};
  const auto batch = llm::make_batch(examples, {2, 0});
  CHECK(batch.ids == std::vector<llm::TokenId>{6, 7, 1, 2});
  CHECK(batch.labels == std::vector<llm::TokenId>{7, 8, llm::kNoLabel, 3});
  CHECK(batch.starts == std::vector<Index>{0, 2, 4});
  CHECK(llm::count_labels(batch) == 3);
}

}  // namespace
