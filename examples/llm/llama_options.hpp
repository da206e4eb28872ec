// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/adapter_module.hpp>
#include <map>
#include <string>
#include <vector>

#include "llama_config.hpp"

namespace examples::llm {

/// What the frozen weights are kept in. Embeddings and head are bfloat16, or `full` with the rest.
enum class BaseFormat {
  full,  ///< the scalar that is computed in
  bf16,
  int8,
  nf4
};

/// "float", "bf16", "int8" or "nf4". \throws lorapro::ConfigError.
BaseFormat base_format_named(const std::string& name);

struct LlamaOptions {
  BaseFormat base = BaseFormat::nf4;
  /// Of every adapter; each layer's seed is derived from this one.
  lorapro::LoraConfig lora;
  /// Ends of the names of the linear layers that get adapters.
  std::vector<std::string> targets = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                      "gate_proj", "up_proj", "down_proj"};
  Index last_layers = 0;  ///< only so many get adapters; 0: all
  /// Ranks of some of the targets, in place of lora.rank.
  std::map<std::string, Index> rank_pattern;
  /// The layers of an adapter that was trained already, each with its own rank and alpha, in place
  /// of `targets` and `last_layers`.
  std::map<std::string, lorapro::LoraConfig> pairs;
  Index max_length = 512;     ///< tokens of the longest example
  bool checkpointing = true;  ///< keep the inputs of layers alone and repeat their forward pass
  int threads = 1;            ///< 0: all cores

  /// Of the adapters of a target.
  Index rank_of(const std::string& target) const {
    const auto found = rank_pattern.find(target);
    return found == rank_pattern.end() ? lora.rank : found->second;
  }
};

/// \throws lorapro::ConfigError: targets that no layer has, or the embeddings, which stay frozen; ranks
/// of what is no target;
/// an adapter of no layers; fields out of their range.
void check_options(const LlamaOptions& options, const LlamaConfig& config);

/// `options` for the layers of an adapter, with its ranks and scalings.
LlamaOptions options_for(LlamaOptions options, const lorapro::io::AdapterModules& modules);

}  // namespace examples::llm
