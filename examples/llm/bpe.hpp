// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tokens.hpp"

namespace examples::llm {

/// Byte-pair encoding: of all neighbours that have a merge, the pair of the lowest rank becomes one
/// token, the leftmost first among equals, until none has one. Byte-level tokenizers rank their
/// merges by their order, SentencePiece's by the score of what they make.
/// \ref Sennrich, Haddow, Birch, arXiv:1508.07909, section 3.2.
class Bpe {
 public:
  struct Merge {
    TokenId left, right, merged;
    std::int32_t rank;
  };

  void reserve(std::size_t merges) { merges_.reserve(merges); }

  /// \return false if the pair is there already.
  bool add(const Merge& merge) {
    return merges_.emplace(key(merge.left, merge.right), Made{merge.rank, merge.merged}).second;
  }

  std::size_t size() const { return merges_.size(); }

  /// Memory of encode() that lasts from piece to piece.
  class Workspace {
    friend class Bpe;
    struct Symbol {
      TokenId id;
      std::int64_t previous, next;  // kNone at the ends
    };
    struct Candidate {
      std::int32_t rank;
      TokenId left, right, merged;
      std::int64_t at;
    };
    static constexpr std::int64_t kNone = -1;

    std::vector<Symbol> symbols_;
    std::vector<Candidate> queue_;
  };

  /// Merges the tokens of one piece in place.
  /// \cost O(n log n) for n tokens, whatever they are.
  void encode(std::vector<TokenId>& ids, Workspace& workspace) const;

 private:
  struct Made {
    std::int32_t rank;
    TokenId merged;
  };

  static std::uint64_t key(TokenId left, TokenId right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U |
           static_cast<std::uint32_t>(right);
  }

  std::unordered_map<std::uint64_t, Made> merges_;
};

}  // namespace examples::llm
