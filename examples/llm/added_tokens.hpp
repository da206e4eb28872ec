// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer.hpp"

namespace examples::llm {

/// A token that is found in a text as it stands, before the text falls into pieces.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool special = false;
  /// Takes the white space before it, or behind it, along.
  bool lstrip = false, rstrip = false;
};

/// Finds added tokens: at each place the longest, none inside of another.
class AddedTokens {
 public:
  /// The longest content.
  static constexpr std::size_t kMostBytes = 1024;

  /// \return false if the content is there already. It is neither empty nor longer than kMostBytes.
  bool add(const AddedToken& token);

  /// Calls visit(part, token) for the parts of a text in turn; token is null for what lies between
  /// tokens. A special token is text as any where `special` says so.
  /// \cost linear in the text, times the longest content at worst.
  void split(std::string_view text, SpecialTokens special,
             const std::function<void(std::string_view, const AddedToken*)>& visit) const;

 private:
  struct Node {
    std::map<char, std::size_t> next;
    std::size_t token = kNone;
  };
  static constexpr std::size_t kNone = ~std::size_t{0};

  /// The longest token that begins at `at`; null where none does.
  const AddedToken* longest(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_{1};  // a tree of the contents' bytes
};

}  // namespace examples::llm
