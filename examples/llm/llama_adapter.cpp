// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_adapter.hpp"

#include <lorapro/io/adapter_load.hpp>
#include <lorapro/io/gguf_adapter.hpp>
#include <filesystem>

namespace examples::llm {
namespace {

using lorapro::ConfigError;
using lorapro::io::AdapterModule;
using lorapro::io::AdapterModules;

AdapterModules read_any(const std::string& path, const LlamaConfig& config) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored))
    return lorapro::io::GgufAdapter(path).modules(config.base_model());
  const lorapro::io::PeftAdapter adapter(path);
  lorapro::io::detail::check_pristine_base(adapter.config());
  if (adapter.config().fan_in_fan_out)
    throw ConfigError(path + ": fan_in_fan_out: expected false, got true");
  if (!adapter.replaced().empty())
    throw ConfigError(path + ": expected pairs alone, got the whole tensor " +
                      lorapro::io::detail::quoted_name(adapter.replaced().front().name));
  return adapter.modules();
}

}  // namespace

AdapterModules read_llama_adapter(const std::string& path, const LlamaConfig& config) {
  AdapterModules modules = read_any(path, config);
  const auto base = config.base_model();
  for (const AdapterModule& module : modules) {
    const auto fail = [&](const std::string& problem) {
      throw ConfigError(path + ": module " + lorapro::io::detail::quoted_name(module.path) + ": " +
                        problem);
    };
    const auto target = lorapro::io::gguf_target(base, module.path);
    if (!target || module.path == "lm_head") fail("expected a linear layer of the model's");
    if (target->out_features != module.out_features || target->in_features != module.in_features)
      fail("expected " + lorapro::checks::shape_text(target->out_features, target->in_features) +
           ", as the model has, got " +
           lorapro::checks::shape_text(module.out_features, module.in_features));
  }
  return modules;
}

template <typename Scalar>
void load_adapter_into(Llama<Scalar>& model, const AdapterModules& modules) {
  std::map<std::string, LoraPair<Scalar>*> layers;
  for (const auto& layer : model.trained()) layers.emplace(layer.name, layer.pair);
  for (const AdapterModule& module : modules)
    if (layers.erase(module.path) == 0)
      throw ConfigError("adapter: expected no pair for " +
                        lorapro::io::detail::quoted_name(module.path) +
                        ", which has none in this model");
  if (!layers.empty())
    throw ConfigError("adapter: expected a pair for " +
                      lorapro::io::detail::quoted_name(layers.begin()->first) + ", got none");
  for (const auto& layer : model.trained()) layers.emplace(layer.name, layer.pair);
  (void)lorapro::io::load_adapter(modules, layers);
}

template <typename Scalar>
AdapterModules adapter_modules(const Llama<Scalar>& model) {
  AdapterModules modules;
  for (const auto& layer : model.trained()) modules.push_back(layer.pair->module(layer.name));
  lorapro::io::sort_by_path(modules);
  return modules;
}

template <typename Scalar>
lorapro::io::Warnings write_llama_adapter(const std::string& folder, const Llama<Scalar>& model,
                                          const std::string& base) {
  const AdapterModules modules = adapter_modules(model);
  lorapro::io::PeftConfig config;
  config.base_model_name_or_path = base;
  config.lora_dropout = model.options().lora.lora_dropout;
  if (model.options().pairs.empty() && model.options().last_layers == 0)
    config.target_modules = model.options().targets;
  config.document["task_type"] = "CAUSAL_LM";
  auto warnings = lorapro::io::write_peft_adapter(folder, config, modules).warnings;
  const auto more = lorapro::io::write_gguf_adapter(std::filesystem::path(folder) / "adapter.gguf",
                                                    modules, model.config().base_model());
  warnings.insert(warnings.end(), more.warnings.begin(), more.warnings.end());
  return warnings;
}

template void load_adapter_into(Llama<float>&, const AdapterModules&);
template void load_adapter_into(Llama<double>&, const AdapterModules&);
template AdapterModules adapter_modules(const Llama<float>&);
template AdapterModules adapter_modules(const Llama<double>&);
template lorapro::io::Warnings write_llama_adapter(const std::string&, const Llama<float>&,
                                                   const std::string&);
template lorapro::io::Warnings write_llama_adapter(const std::string&, const Llama<double>&,
                                                   const std::string&);

}  // namespace examples::llm
