// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/bpe.hpp"

#include <chrono>
#include <map>
#include <random>

#include "support/catch.hpp"

namespace {

using examples::llm::Bpe;
using examples::llm::TokenId;

using MergeTable = std::map<std::pair<TokenId, TokenId>, std::pair<std::int32_t, TokenId>>;

/// As the definition says it: the best of all pairs, over and over.
std::vector<TokenId> merged_naively(std::vector<TokenId> ids, const MergeTable& merges) {
  for (;;) {
    std::size_t best = ids.size();
    auto made = std::pair<std::int32_t, TokenId>{};
    for (std::size_t k = 0; k + 1 < ids.size(); ++k) {
      const auto found = merges.find({ids[k], ids[k + 1]});
      if (found == merges.end() || (best != ids.size() && found->second.first >= made.first))
        continue;
      best = k;
      made = found->second;
    }
    if (best == ids.size()) return ids;
    ids[best] = made.second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

}  // namespace

TEST_CASE("merges come by rank, then from the left, as by trying all pairs each time") {
  std::mt19937 random(3);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 300; ++round) {
    // Few ranks, so that some are equal; what a merge makes may be there already.
    MergeTable merges;
    Bpe bpe;
    for (int k = 0; k < 12; ++k) {
      const auto pair = std::pair{TokenId{below(6)}, TokenId{below(6)}};
      const auto made = std::pair{std::int32_t{below(8)}, TokenId{below(8)}};
      const bool is_new = merges.emplace(pair, made).second;
      CHECK(bpe.add({pair.first, pair.second, made.second, made.first}) == is_new);
    }
    CHECK(bpe.size() == merges.size());
    Bpe::Workspace workspace;
    for (int length = 0; length < 40; ++length) {
      std::vector<TokenId> ids;
      for (int k = 0; k < length; ++k) ids.push_back(below(4));
      const std::vector<TokenId> expected = merged_naively(ids, merges);
      bpe.encode(ids, workspace);
      REQUIRE(ids == expected);
    }
  }
}

TEST_CASE("a long piece of one token takes no time of its square") {
  // Powers of two of one letter: every pair of equals merges.
  Bpe bpe;
  for (TokenId k = 0; k < 20; ++k) bpe.add({k, k, k + 1, k});
  std::vector<TokenId> ids(std::size_t{1} << 19, 0);
  Bpe::Workspace workspace;
  const auto start = std::chrono::steady_clock::now();
  bpe.encode(ids, workspace);
  CHECK(ids == std::vector<TokenId>{19});
  // It takes a tenth of a second; the square would take minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
}
