// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "llama.hpp"

namespace examples::llm {

/// The model in a Hugging Face folder (one safetensors file, or shards with their index), in a
/// GGUF file (F32, F16, BF16 or Q8_0), or in a checkpoint of llama2.c (.bin). The file stays open.
/// \throws lorapro::FormatError, lorapro::FileError: whatever is not supported, by its name.
std::shared_ptr<const ModelTensors> open_model(const std::string& path);

/// \name The three kinds of files
/// @{
std::shared_ptr<const ModelTensors> open_hf_folder(const std::string& path);
std::shared_ptr<const ModelTensors> open_gguf_model(const std::string& path);
/// Versions of the format other than the first, which has no number, are refused by theirs.
std::shared_ptr<const ModelTensors> open_llama2c(const std::string& path);
/// @}

/// The model with adapters as the options say. \throws as open_model and Llama.
template <typename Scalar>
Llama<Scalar> load_llama(const std::string& path, const LlamaOptions& options) {
  return Llama<Scalar>(open_model(path), options);
}

}  // namespace examples::llm
