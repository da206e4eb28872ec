// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/peft_adapter.hpp>

#include "llama.hpp"

namespace examples::llm {

/// The pairs of an adapter for a model of this configuration: of a PEFT folder or an adapter.gguf.
/// \throws lorapro::FormatError, lorapro::ConfigError: no adapter, or one of another model, by the
/// name of the layer that differs; whole tensors, or pairs that began from another W0.
lorapro::io::AdapterModules read_llama_adapter(const std::string& path, const LlamaConfig& config);

/// Copies an adapter into the layers of the model, which are those of the adapter.
/// \throws lorapro::ConfigError, lorapro::ShapeError: other layers, ranks or scalings; the model is
/// then unchanged.
template <typename Scalar>
void load_adapter_into(Llama<Scalar>& model, const lorapro::io::AdapterModules& modules);

/// The pairs of the model, which has to outlive them.
template <typename Scalar>
lorapro::io::AdapterModules adapter_modules(const Llama<Scalar>& model);

/// Writes a PEFT folder, with adapter.gguf for llama.cpp in it, in float.
/// \param base  what adapter_config.json calls the base model.
/// \throws lorapro::ConfigError (numbers that are not finite), lorapro::FileError.
template <typename Scalar>
lorapro::io::Warnings write_llama_adapter(const std::string& folder, const Llama<Scalar>& model,
                                          const std::string& base);

}  // namespace examples::llm
