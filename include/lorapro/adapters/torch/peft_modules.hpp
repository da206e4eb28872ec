// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/lora_linear.hpp>
#include <lorapro/io/adapter_module.hpp>

#include <cmath>          // std::sqrt
#include <functional>     // std::function
#include <string>         // std::string
#include <unordered_map>  // std::unordered_map
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// What a model does not tell about its own adapters.
struct PeftOptions {
  /// alpha of pairs whose module is no ScaledAdapter; 0: there must be none. That of a LoraLinear
  /// is its config's.
  double lora_alpha = 0;
  bool use_rslora = false;  ///< of modules other than LoraLinear: scaling alpha / sqrt(rank)
  /// Turns the path of a module in the model into what the base model of the files calls it: empty,
  /// the same path.
  std::function<std::string(const std::string&)> path_of{};
};

namespace detail {

/// One pair of factors, frozen or not, as it is found in a model.
struct PeftPair {
  std::string path;                 ///< as the files call the module
  LoraLinearImpl* layer = nullptr;  ///< that holds it, or null
  torch::Tensor A, B;
  double lora_alpha = 0;
  bool use_rslora = false;

  double scaling() const {
    const auto rank = static_cast<double>(A.size(0));
    return use_rslora ? lora_alpha / std::sqrt(rank) : lora_alpha / rank;
  }
};

inline std::string peft_path(const PeftOptions& options, const std::string& path) {
  return options.path_of ? options.path_of(path) : path;
}

/// Modules by their paths, the model itself by the empty one.
inline std::unordered_map<std::string, torch::nn::Module*> modules_by_path(
    const torch::nn::Module& model) {
  std::unordered_map<std::string, torch::nn::Module*> result;
  for (const auto& item : model.named_modules(/*name_prefix=*/std::string(),
                                              /*include_self=*/false))
    result[item.key()] = item.value().get();
  // The model hands out its children as what can be written; itself is written by load_peft alone.
  result[""] = const_cast<torch::nn::Module*>(&model);
  return result;
}

/// \throws ConfigError, ShapeError as peft_modules.
inline std::vector<PeftPair> peft_pairs(const torch::nn::Module& model,
                                        const PeftOptions& options) {
  const auto parameters = model.named_parameters();
  const auto modules = modules_by_path(model);
  std::vector<PeftPair> pairs;
  std::unordered_set<const void*> seen;  // a shared module's factors have several names
  std::unordered_set<std::string> paths;
  for (const auto& item : parameters) {
    const std::string partner = partner_of(item.key());
    if (partner.empty() || !seen.insert(item.value().unsafeGetTensorImpl()).second) continue;
    const torch::Tensor* const lora_B = parameters.find(partner);
    if (lora_B == nullptr)
      throw ConfigError(item.key() + ": expected " + partner + " beside it, got none");
    if (item.value().dim() != 2 || lora_B->dim() != 2 || lora_B->size(1) != item.value().size(0))
      throw ShapeError(partner + ": expected the shapes of two factors, got " + shape_of(*lora_B) +
                       " beside " + shape_of(item.value()));
    PeftPair pair;
    const std::string path = module_of(item.key());
    pair.path = peft_path(options, path);
    if (pair.path.empty())
      throw ConfigError("path_of: expected a path for the model, which is one adapter itself");
    if (!paths.insert(pair.path).second)
      throw ConfigError("path_of: expected another path for each module, got " +
                        io::detail::quoted_name(pair.path) + " again");
    pair.A = item.value();
    pair.B = *lora_B;
    const auto found = modules.find(path);
    torch::nn::Module* const module = found == modules.end() ? nullptr : found->second;
    pair.layer = dynamic_cast<LoraLinearImpl*>(module);
    if (pair.layer != nullptr) {
      pair.lora_alpha = pair.layer->config().lora_alpha;
      pair.use_rslora = pair.layer->config().use_rslora;
    } else {
      pair.use_rslora = options.use_rslora;
      pair.lora_alpha = options.lora_alpha;
      if (const auto* const scaled = dynamic_cast<const ScaledAdapter*>(module)) {
        const auto rank = static_cast<double>(pair.A.size(0));
        pair.lora_alpha = scaled->scaling() * (pair.use_rslora ? std::sqrt(rank) : rank);
      }
      checks::config(is_finite(pair.lora_alpha) && pair.lora_alpha != 0, "lora_alpha",
                     "a finite number other than 0 for a module that does not tell its own",
                     pair.lora_alpha);
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

inline RowMatrix<float> peft_factor(const torch::Tensor& factor) {
  const torch::Tensor values = factor.detach().to(torch::kCPU, torch::kFloat).contiguous();
  return Eigen::Map<const RowMatrix<float>>(values.data_ptr<float>(), values.size(0),
                                            values.size(1));
}

}  // namespace detail

/// The adapters of a model for io::write_peft_adapter (or the GGUF writer, or io::merge_adapter):
/// each pair of parameters lora_A and lora_B, trained or frozen, by the path of its module, with
/// the alpha and rsLoRA of its LoraLinear, or as told. Modules that are trained whole are not among
/// them.
///
/// \code
/// lorapro::io::write_peft_adapter("adapter", {}, lorapro::torch_adapter::peft_modules(*model));
/// \endcode
///
/// The factors are read when the modules are asked for theirs, from the tensors as they are then.
/// \throws ConfigError (a lora_A without lora_B, an alpha that nobody tells), ShapeError.
inline io::AdapterModules peft_modules(const torch::nn::Module& model,
                                       const PeftOptions& options = {}) {
  io::AdapterModules modules;
  for (detail::PeftPair& pair : detail::peft_pairs(model, options))
    modules.push_back({std::move(pair.path), pair.B.size(0), pair.A.size(1), pair.A.size(0),
                       pair.lora_alpha, pair.use_rslora,
                       [A = pair.A] { return detail::peft_factor(A); },
                       [B = pair.B] { return detail::peft_factor(B); }});
  io::sort_by_path(modules);
  return modules;
}

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
