// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_options.hpp"

#include <algorithm>  // std::any_of

#include "model_tensors.hpp"

namespace examples::llm {
namespace {

using lorapro::ConfigError;
using lorapro::io::detail::quoted_name;

bool is_kind_of_linear(const std::string& target) {
  return std::any_of(
      std::begin(kLinearNames), std::end(kLinearNames),
      [&](const std::string& name) { return name.substr(name.rfind('.') + 1) == target; });
}

bool has_linear(const LlamaConfig& config, const std::string& name) {
  const auto shapes = expected_shapes(config);
  return name.rfind("model.layers.", 0) == 0 && name.find("_proj") != std::string::npos &&
         shapes.count(name + ".weight") > 0;
}

}  // namespace

BaseFormat base_format_named(const std::string& name) {
  if (name == "float") return BaseFormat::full;
  if (name == "bf16") return BaseFormat::bf16;
  if (name == "int8") return BaseFormat::int8;
  if (name == "nf4") return BaseFormat::nf4;
  throw ConfigError("base: expected float, bf16, int8 or nf4, got " + quoted_name(name));
}

void check_options(const LlamaOptions& options, const LlamaConfig& config) {
  options.lora.validate();
  if (options.max_length < 1)
    throw ConfigError("max_length: expected at least 1, got " + std::to_string(options.max_length));
  if (options.threads < 0)
    throw ConfigError("threads: expected 0 or more, got " + std::to_string(options.threads));
  for (const auto& [name, lora] : options.pairs) {
    lora.validate();
    if (!has_linear(config, name))
      throw ConfigError("adapter: expected linear layers that the model has, got " +
                        quoted_name(name));
  }
  if (!options.pairs.empty()) return;
  if (options.last_layers < 0 || options.last_layers > config.layers)
    throw ConfigError("last_layers: expected 0 to " + std::to_string(config.layers) + ", got " +
                      std::to_string(options.last_layers));
  if (options.targets.empty()) throw ConfigError("targets: expected at least one, got none");
  for (const std::string& target : options.targets)
    if (!is_kind_of_linear(target))
      throw ConfigError(
          "targets: expected q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj or "
          "down_proj, as embeddings and head stay frozen, got " +
          quoted_name(target));
  for (const auto& [target, rank] : options.rank_pattern) {
    if (std::find(options.targets.begin(), options.targets.end(), target) == options.targets.end())
      throw ConfigError("rank_pattern: expected targets, got " + quoted_name(target));
    lorapro::LoraConfig lora = options.lora;
    lora.rank = rank;
    lora.validate();
  }
}

LlamaOptions options_for(LlamaOptions options, const lorapro::io::AdapterModules& modules) {
  options.pairs.clear();
  for (const lorapro::io::AdapterModule& module : modules) {
    lorapro::LoraConfig lora = options.lora;
    lora.rank = module.rank;
    lora.lora_alpha = module.lora_alpha;
    lora.use_rslora = module.use_rslora;
    options.pairs.emplace(module.path, lora);
  }
  return options;
}

}  // namespace examples::llm
