// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// llama2.c's tokenizer.bin: int32 bytes of the longest piece; then of each piece float32 score,
/// int32 bytes, UTF-8 with spaces as they are. Id 0 is unknown, 1 BOS, 2 EOS, 3 to 258 are the
/// bytes.
/// \throws FormatError.
BpeParts parse_llama2c_tokenizer(std::string_view bytes, const std::string& file);

}  // namespace examples::llm
