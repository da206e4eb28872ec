// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>
#include <vector>

#include "chat_template.hpp"
#include "tokenizer.hpp"

namespace examples::llm {

/// Appends the ids of a text that another one precedes. Tokenizers of SentencePiece's kind put a
/// space before the beginning of a text, which a continuation has none of.
void encode_continuation(const Tokenizer& tokenizer, std::string_view text, SpecialTokens special,
                         std::vector<TokenId>& ids);

/// Makes BOS the first id, once, where texts of this tokenizer begin with it: what was rendered may
/// have it already.
void begin_with_bos(const Tokenizer& tokenizer, std::vector<TokenId>& ids);

/// Parts of one text: each is encoded for itself, so that the tokens of a prompt are the same
/// whatever its answer, and neighbours of the same kind as one.
TokenizedExample encode_segments(const Tokenizer& tokenizer, const Segments& segments,
                                 SpecialTokens special);

/// The texts of BOS and EOS; empty where there is none.
EdgeTokens edge_tokens(const Tokenizer& tokenizer);

/// \throws lorapro::FormatError if a token that the style writes is none of the tokenizer's special
/// ones: a turn that ends in plain text would teach nothing to stop at.
void check_chat_tokens(const Tokenizer& tokenizer, ChatStyle style);

}  // namespace examples::llm
