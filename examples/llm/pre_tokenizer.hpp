// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace examples::llm {

/// How a text falls into pieces, of which each is encoded for itself.
enum class SplitPattern {
  gpt2,        ///< words and numbers with the space before them
  llama3,      ///< at most three digits a piece, line breaks with what precedes them
  qwen2,       ///< as llama3, each digit alone
  digits,      ///< each number alone, all between them in one
  digit_runs,  ///< numbers that follow one another in one, as is all between them
  metaspace    ///< before each U+2581
};

/// The pattern that this regular expression is, by equality; nothing for any other.
std::optional<SplitPattern> split_pattern_of_regex(std::string_view regex);

/// Splits texts by patterns, the pieces of each by the next.
class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<SplitPattern> patterns) : patterns_(std::move(patterns)) {}

  /// Calls visit(piece) for the pieces of valid UTF-8 in turn; together they are the text.
  /// \cost linear in the text.
  void split(std::string_view text, const std::function<void(std::string_view)>& visit) const;

 private:
  std::vector<SplitPattern> patterns_;
};

}  // namespace examples::llm
