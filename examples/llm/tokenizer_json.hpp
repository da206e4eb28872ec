// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// A tokenizer.json as Hugging Face's tokenizers writes it, of model type BPE. What would change
/// the ids and is not understood is refused by name.
/// \param file  its name, for messages.
/// \throws FormatError.
BpeParts parse_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace examples::llm
