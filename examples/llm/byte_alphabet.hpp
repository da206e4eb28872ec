// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace examples::llm {

/// The bytes that a text of a byte-level tokenizer stands for, which writes the printable ones of
/// Latin-1 as themselves and the others, in their order, as U+0100 and what follows; nothing if it
/// has another code point.
/// \ref Radford et al., GPT-2, encoder.py, bytes_to_unicode.
std::optional<std::string> bytes_of_alphabet(std::string_view text);

}  // namespace examples::llm
