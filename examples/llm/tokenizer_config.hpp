// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// Takes BOS, EOS and whether texts begin with BOS from the files beside those of a tokenizer:
/// tokenizer_config.json and special_tokens_map.json, or, where there are neither,
/// generation_config.json and config.json. What none of them says stays as it is.
/// \throws FormatError (also where added_tokens_decoder or added_tokens.json has a token that the
///         tokenizer has not), FileError.
void read_tokenizer_config(const std::filesystem::path& folder, BpeParts& parts);

}  // namespace examples::llm
