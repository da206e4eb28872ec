// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "bpe.hpp"

#include <algorithm>  // std::push_heap

namespace examples::llm {

namespace {

/// No token has this id.
constexpr TokenId kMergedAway = -1;

}  // namespace

void Bpe::encode(std::vector<TokenId>& ids, Workspace& workspace) const {
  if (ids.size() < 2) return;
  auto& symbols = workspace.symbols_;
  auto& queue = workspace.queue_;
  const auto later = [](const Workspace::Candidate& a, const Workspace::Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  };
  const auto symbol = [&](std::int64_t at) -> Workspace::Symbol& {
    return symbols[static_cast<std::size_t>(at)];
  };
  const auto propose = [&](std::int64_t at) {
    if (at == Workspace::kNone || symbol(at).next == Workspace::kNone) return;
    const TokenId left = symbol(at).id, right = symbol(symbol(at).next).id;
    const auto found = merges_.find(key(left, right));
    if (found == merges_.end()) return;
    queue.push_back({found->second.rank, left, right, found->second.merged, at});
    std::push_heap(queue.begin(), queue.end(), later);
  };

  const auto count = static_cast<std::int64_t>(ids.size());
  symbols.clear();
  queue.clear();
  for (std::int64_t k = 0; k < count; ++k)
    symbols.push_back({ids[static_cast<std::size_t>(k)], k == 0 ? Workspace::kNone : k - 1,
                       k + 1 == count ? Workspace::kNone : k + 1});
  for (std::int64_t k = 0; k + 1 < count; ++k) propose(k);

  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    const Workspace::Candidate best = queue.back();
    queue.pop_back();
    Workspace::Symbol& left = symbol(best.at);
    // Another merge may have taken one of the two meanwhile.
    if (left.id != best.left || left.next == Workspace::kNone) continue;
    Workspace::Symbol& right = symbol(left.next);
    if (right.id != best.right) continue;
    left.id = best.merged;
    left.next = right.next;
    right.id = kMergedAway;
    if (left.next != Workspace::kNone) symbol(left.next).previous = best.at;
    propose(left.previous);
    propose(best.at);
  }

  ids.clear();
  for (std::int64_t k = 0; k != Workspace::kNone; k = symbol(k).next) ids.push_back(symbol(k).id);
}

}  // namespace examples::llm
