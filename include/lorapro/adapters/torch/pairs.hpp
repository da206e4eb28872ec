// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/finite.hpp>
#include <lorapro/core/numeric.hpp>

#include <torch/nn/module.h>  // torch::nn::Module

#include <string>         // std::string
#include <unordered_map>  // std::unordered_map
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// The two factors of an adapter, W = W0 + scaling lora_B lora_A.
struct LoraPair {
  torch::Tensor lora_A;  ///< (rank, in_features), a leaf
  torch::Tensor lora_B;  ///< (out_features, rank), a leaf
  double scaling = 1.0;  ///< alpha / rank, or alpha / sqrt(rank) for rsLoRA
  std::string name{};    ///< for messages: the path of its module, where it was found in one
};

/// A module with lora_A and lora_B that tells their scaling; LoraLinearImpl is one. Derive from it
/// besides torch::nn::Module.
class ScaledAdapter {
 public:
  virtual ~ScaledAdapter() = default;
  virtual double scaling() const = 0;
};

namespace detail {

/// The name with "lora_B" in place of its last component "lora_A"; empty where it has none.
inline std::string partner_of(const std::string& name) {
  static const std::string kFactor = "lora_A";
  const std::size_t at = name.rfind(kFactor);
  if (at == std::string::npos) return {};
  const std::size_t end = at + kFactor.size();
  const bool begins = at == 0 || name[at - 1] == '.';
  const bool ends = end == name.size() || name[end] == '.';
  if (!begins || !ends) return {};
  return name.substr(0, at) + "lora_B" + name.substr(end);
}

inline std::string text_of_shape(torch::IntArrayRef sizes) {
  std::string text = "(";
  for (const auto size : sizes) text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  return text + ")";
}
inline std::string shape_of(const torch::Tensor& tensor) { return text_of_shape(tensor.sizes()); }

/// The path of the module that holds a factor: its name up to the last "lora_A", without the dot.
inline std::string module_of(const std::string& name_A) {
  const std::size_t at = name_A.rfind("lora_A");
  return name_A.substr(0, at == 0 ? 0 : at - 1);
}

/// What messages call a pair: by its name, or by its place in a list and the shape of lora_A.
inline std::string text_of(const LoraPair& pair, std::size_t index) {
  if (!pair.name.empty()) return "pair " + pair.name;
  return "pair " + std::to_string(index) + ", lora_A " + shape_of(pair.lora_A);
}

/// \throws ShapeError, ConfigError that name the factor.
inline void check_pair(const LoraPair& pair, const std::string& name_A = "lora_A",
                       const std::string& name_B = "lora_B") {
  const auto check = [](const torch::Tensor& factor, const std::string& name) {
    if (!factor.defined()) throw ShapeError(name + ": expected a matrix, got no tensor");
    if (factor.dim() != 2 || factor.numel() == 0)
      throw ShapeError(name + ": expected a matrix, got shape " + shape_of(factor));
    if (!factor.is_leaf() || !factor.requires_grad())
      throw ConfigError(name + ": expected a leaf that requires a gradient, got another tensor");
  };
  check(pair.lora_A, name_A);
  check(pair.lora_B, name_B);
  if (pair.lora_A.size(0) != pair.lora_B.size(1))
    throw ShapeError(name_B + ": expected (out_features, " + std::to_string(pair.lora_A.size(0)) +
                     ") beside lora_A " + shape_of(pair.lora_A) + ", got " + shape_of(pair.lora_B));
  if (pair.lora_A.scalar_type() != pair.lora_B.scalar_type() ||
      pair.lora_A.device() != pair.lora_B.device())
    throw ConfigError(name_B + ": expected the type and device of lora_A, got " +
                      pair.lora_B.toString() + " beside " + pair.lora_A.toString());
  checks::config(is_finite(pair.scaling) && pair.scaling != 0, "scaling",
                 "a finite number other than 0", pair.scaling);
}

}  // namespace detail

/// The pairs among a module's parameters, by their names: a name with a component `lora_A` (the
/// last one, or followed by `.weight` or the like) and the same name with `lora_B`. Both must
/// require gradients: a factor beside a frozen one is a parameter like others.
/// \param scaling  of pairs whose module is no ScaledAdapter; 0: there must be none.
/// \throws ConfigError (a lora_A without lora_B, a scaling that nobody tells), ShapeError.
inline std::vector<LoraPair> find_lora_pairs(const torch::nn::Module& module, double scaling = 0) {
  std::unordered_map<std::string, double> told;  // by the path of the module
  for (const auto& item : module.named_modules(/*name_prefix=*/std::string(),
                                               /*include_self=*/false))
    if (const auto* const adapter = dynamic_cast<const ScaledAdapter*>(item.value().get()))
      told[item.key()] = adapter->scaling();
  if (const auto* const adapter = dynamic_cast<const ScaledAdapter*>(&module))
    told[""] = adapter->scaling();

  const auto parameters = module.named_parameters();
  std::vector<LoraPair> pairs;
  std::unordered_set<const void*> seen;  // a shared module's factors have several names
  for (const auto& item : parameters) {
    const std::string partner = detail::partner_of(item.key());
    if (partner.empty() || !seen.insert(item.value().unsafeGetTensorImpl()).second) continue;
    const torch::Tensor* const lora_B = parameters.find(partner);
    if (lora_B == nullptr)
      throw ConfigError(item.key() + ": expected " + partner + " beside it, got none");
    if (!item.value().requires_grad() || !lora_B->requires_grad()) continue;
    LoraPair pair{item.value(), *lora_B, scaling, detail::module_of(item.key())};
    const auto owner = told.find(pair.name);
    if (owner != told.end()) pair.scaling = owner->second;
    if (pair.scaling == 0)
      throw ConfigError("scaling: expected alpha / rank in the options for " + item.key() +
                        ", whose module does not tell it, got none");
    detail::check_pair(pair, item.key(), partner);
    pairs.push_back(pair);
  }
  return pairs;
}

namespace detail {

/// The parameters that require gradients, each once.
inline std::vector<torch::Tensor> trained_parameters(const torch::nn::Module& module) {
  std::vector<torch::Tensor> result;
  std::unordered_set<const void*> seen;
  for (const torch::Tensor& parameter : module.parameters())
    if (parameter.requires_grad() && seen.insert(parameter.unsafeGetTensorImpl()).second)
      result.push_back(parameter);
  return result;
}

/// Both factors of every pair. \throws as check_pair.
inline std::vector<torch::Tensor> factors_of(const std::vector<LoraPair>& pairs) {
  std::vector<torch::Tensor> result;
  for (const LoraPair& pair : pairs) {
    check_pair(pair);
    result.push_back(pair.lora_A);
    result.push_back(pair.lora_B);
  }
  return result;
}

}  // namespace detail

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
