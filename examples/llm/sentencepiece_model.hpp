// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// A tokenizer.model of SentencePiece, of type BPE and without a table of normalization. What would
/// change the ids and is not understood is refused by name.
/// \throws FormatError.
/// \ref SentencePiece 0.1.97, sentencepiece_model.proto.
BpeParts parse_sentencepiece_model(std::string_view bytes, const std::string& file);

}  // namespace examples::llm
