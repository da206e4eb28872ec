// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

namespace examples::llm {

/// U+2581, which stands for a space in pieces of SentencePiece.
inline constexpr std::string_view kVisibleSpace = "\xe2\x96\x81";

/// What becomes of the spaces of a text before it is encoded.
struct Spacing {
  /// Whether a space is put in front.
  enum class Prefix {
    none,
    always,
    unless_there,      ///< if the text does not begin with one
    unless_there_once  ///< the same, of the first text alone, not of what follows an added token
  };

  Prefix prefix = Prefix::none;
  bool visible = false;  ///< spaces become U+2581
  /// Spaces at the ends go, of those that follow one another one is left. Of U+2581 those at the
  /// end alone.
  bool removes_extra = false;

  std::string apply(std::string_view text, bool is_first) const;
};

}  // namespace examples::llm
