// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <vector>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// A piece of SentencePiece, with a score in place of merges.
struct ScoredPiece {
  enum class Kind {
    normal,
    unknown,
    control,       ///< special, and found in texts by what it says
    added,         ///< found as well, but not special
    user_defined,  ///< the same, in the normalized text
    unused,        ///< no text becomes it
    byte
  };

  std::string text;
  double score = 0;
  Kind kind = Kind::normal;
};

/// Fills in the tokens of a SentencePiece model of type BPE, the id of each its index. Two
/// neighbours merge where both together are a normal piece; the best score comes first.
///
/// \param parts  `file` is there; `tokens`, `bpe`, `bytes`, `unknown`, added tokens are filled in.
/// \throws FormatError (a piece that is empty, too long or there twice; two unknown ones; a score
///         that is no number; a byte that is not written <0x00> to <0xFF>).
/// \cost   the square of the length of each piece.
void put_scored_pieces(const std::vector<ScoredPiece>& pieces, BpeParts& parts);

/// The byte of "<0x0A>"; nothing for any other text.
std::optional<unsigned char> byte_of_name(std::string_view text);

}  // namespace examples::llm
