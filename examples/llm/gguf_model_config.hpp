// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/gguf.hpp>

#include "llama_config.hpp"

namespace examples::llm {

/// What the metadata of a GGUF file, and the shapes of its tensors, say of the model in it.
/// \throws lorapro::FormatError that names the key: missing ones, and what is not supported.
LlamaConfig llama_config_of_gguf(const lorapro::io::GgufReader& file);

}  // namespace examples::llm
