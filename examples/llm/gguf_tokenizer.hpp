// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/gguf.hpp>

#include "bpe_tokenizer.hpp"

namespace examples::llm {

/// The tokenizer in the metadata of a GGUF file, tokenizer.ggml.*, of model "llama" (SentencePiece)
/// or "gpt2" (byte-level). Texts of Qwen are brought into normalization form C, which its own
/// tokenizer does and llama.cpp leaves out.
/// \throws FormatError.
/// \ref llama.cpp, gguf-py/gguf/constants.py and src/llama-vocab.cpp.
BpeParts read_gguf_tokenizer(const lorapro::io::GgufReader& file);

}  // namespace examples::llm
