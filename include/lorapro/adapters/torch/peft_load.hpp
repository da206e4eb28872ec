// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/peft_modules.hpp>
#include <lorapro/io/adapter_load.hpp>
#include <lorapro/io/peft_adapter.hpp>

#include <torch/utils.h>  // torch::NoGradGuard

#include <map>            // std::map
#include <string>         // std::string
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// Parameters by the names that the files have for them.
inline std::map<std::string, torch::Tensor> peft_parameters(const torch::nn::Module& model,
                                                            const PeftOptions& options) {
  std::map<std::string, torch::Tensor> result;
  for (const auto& item : model.named_parameters()) {
    const std::size_t dot = item.key().rfind('.');
    const bool own = dot == std::string::npos;
    const std::string path = peft_path(options, own ? "" : item.key().substr(0, dot));
    const std::string leaf = own ? item.key() : item.key().substr(dot + 1);
    result.emplace(path.empty() ? leaf : path + "." + leaf, item.value());
  }
  return result;
}

/// What load_peft is going to do. Everything that can fail comes before apply().
class PeftLoading {
 public:
  PeftLoading(const torch::nn::Module& model, const PeftOptions& options)
      : parameters_(peft_parameters(model, options)) {
    for (PeftPair& pair : peft_pairs(model, options)) {
      const std::string path = pair.path;
      pairs_.emplace(path, std::move(pair));
    }
    for (const auto& [path, module] : modules_by_path(model))
      if (auto* const layer = dynamic_cast<LoraLinearImpl*>(module))
        if (!layer->has_adapter()) bare_.emplace(peft_path(options, path), layer);
  }

  /// \param lora_dropout  of a layer that gets its adapter here.
  void add(const io::AdapterModule& module, double lora_dropout) {
    const auto pair = pairs_.find(module.path);
    const auto layer = bare_.find(module.path);
    if (pair != pairs_.end()) {
      into_pair(module, pair->second);
    } else if (layer != bare_.end()) {
      into_layer(module, *layer->second, lora_dropout);
    } else {
      report_.left_over.push_back(module.path);
      return;
    }
    report_.matched.push_back(module.path);
    loaded_.insert(module.path);
  }

  void add(const io::ReplacedTensor& replaced) {
    const auto found = parameters_.find(replaced.name);
    if (found == parameters_.end()) {
      report_.left_over.push_back(replaced.name);
      return;
    }
    const torch::Tensor& to = found->second;
    const std::vector<std::int64_t> shape(replaced.tensor.shape.begin(),
                                          replaced.tensor.shape.end());
    if (to.sizes() != torch::IntArrayRef(shape))
      throw ShapeError(replaced.name + ": expected shape " + shape_of(to) +
                       ", as the model has, got " + io::shape_text(replaced.tensor.shape));
    const torch::Tensor values = torch::empty(shape, torch::kDouble);
    replaced.file->read(replaced.tensor, values.data_ptr<double>());
    copies_.push_back({to, in_type_of(to, values, replaced.name)});
    report_.matched.push_back(replaced.name);
  }

  io::AdapterLoadReport apply() {
    const torch::NoGradGuard no_grad;
    for (const Fresh& fresh : fresh_) {
      // A shared layer may be there twice.
      if (!fresh.layer->has_adapter()) fresh.layer->add_adapter(fresh.config);
      copies_.push_back({fresh.layer->lora_A, fresh.A});
      copies_.push_back({fresh.layer->lora_B, fresh.B});
    }
    for (Copy& copy : copies_) copy.to.copy_(copy.from);
    for (const auto& entry : pairs_)
      if (loaded_.count(entry.first) == 0) report_.missing.push_back(entry.first);
    return report_;
  }

 private:
  struct Copy {
    torch::Tensor to, from;
  };
  struct Fresh {
    LoraLinearImpl* layer;
    LoraConfig config;
    torch::Tensor A, B;
  };

  /// \throws ConfigError that names what is not finite in the type of `like`.
  static torch::Tensor in_type_of(const torch::Tensor& like, const torch::Tensor& values,
                                  const std::string& name) {
    const torch::Tensor result = values.to(like.device(), like.scalar_type(),
                                           /*non_blocking=*/false, /*copy=*/true);
    if (!result.isfinite().all().item<bool>())
      throw ConfigError(name + ": expected numbers that are finite in the parameter's type, got " +
                        "one that is not");
    return result;
  }
  static torch::Tensor factor(RowMatrix<float> values, const torch::Tensor& like,
                              const std::string& name) {
    return in_type_of(
        like, torch::from_blob(values.data(), {values.rows(), values.cols()}, torch::kFloat), name);
  }

  void into_pair(const io::AdapterModule& module, const PeftPair& pair) {
    const std::string& path = module.path;
    if (pair.layer != nullptr && pair.layer->merged())
      throw StateError(path + ": expected an unmerged layer to load into, got a merged one");
    checks::shape(path.c_str(), module.out_features, module.in_features, pair.B.size(0),
                  pair.A.size(1));
    if (module.rank != pair.A.size(0))
      throw ConfigError(path + ": expected rank " + std::to_string(pair.A.size(0)) +
                        ", as the model has, got " + std::to_string(module.rank));
    if (!(std::abs(module.scaling() - pair.scaling()) <= 1e-6 * std::abs(pair.scaling())))
      throw ConfigError(path + ": expected scaling " + std::to_string(pair.scaling()) +
                        ", as the model has, got " + std::to_string(module.scaling()));
    copies_.push_back({pair.A, factor(module.lora_A(), pair.A, path + ".lora_A")});
    copies_.push_back({pair.B, factor(module.lora_B(), pair.B, path + ".lora_B")});
  }

  void into_layer(const io::AdapterModule& module, LoraLinearImpl& layer, double lora_dropout) {
    const std::string& path = module.path;
    checks::shape(path.c_str(), module.out_features, module.in_features,
                  layer.options.out_features(), layer.options.in_features());
    LoraConfig config;
    config.rank = module.rank;
    config.lora_alpha = module.lora_alpha;
    config.use_rslora = module.use_rslora;
    config.lora_dropout = lora_dropout;
    config.validate();
    fresh_.push_back({&layer, config, factor(module.lora_A(), layer.weight, path + ".lora_A"),
                      factor(module.lora_B(), layer.weight, path + ".lora_B")});
  }

  std::map<std::string, torch::Tensor> parameters_;
  std::map<std::string, PeftPair> pairs_;
  std::map<std::string, LoraLinearImpl*> bare_;
  std::vector<Copy> copies_;
  std::vector<Fresh> fresh_;
  std::unordered_set<std::string> loaded_;
  io::AdapterLoadReport report_;
};

}  // namespace detail

/// Copies a PEFT adapter into a model: the factors into LoraLinears and into other pairs of
/// parameters lora_A and lora_B of the same paths, tensors of modules_to_save and biases into the
/// parameters of the same names. A LoraLinear without an adapter gets one of the file's rank, alpha
/// and dropout; one with an adapter has to have the file's rank and scaling, to a relative 1e-6.
/// Everything is read and checked before the model changes. Moments of an optimizer stay as they
/// are: make it afterwards.
///
/// \return by path what went in, the adapters that the file has nothing for (unchanged), and what
/// of the file the model has no place for.
///
/// \cost memory: all that matches, once more.
///
/// \throws ConfigError (DoRA, an embedding; rank, scaling, a number that is not finite in the parameter's type),
/// ShapeError, StateError (a merged layer), FormatError, FileError; the model is unchanged then.
[[nodiscard]] inline io::AdapterLoadReport load_peft(torch::nn::Module& model,
                                                     const io::PeftAdapter& adapter,
                                                     const PeftOptions& options = {}) {
  detail::PeftLoading loading(model, options);
  io::detail::check_plain(adapter.modules(), "a model of libtorch");
  for (const io::AdapterModule& module : adapter.modules())
    loading.add(module, adapter.config().lora_dropout);
  for (const io::ReplacedTensor& replaced : adapter.replaced()) loading.add(replaced);
  return loading.apply();
}

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
