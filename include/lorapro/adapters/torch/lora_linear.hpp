// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/pairs.hpp>
#include <lorapro/layer/lora_init.hpp>

#include <torch/nn/cloneable.h>           // torch::nn::Cloneable
#include <torch/nn/functional/dropout.h>  // torch::nn::functional::dropout
#include <torch/nn/modules/linear.h>      // torch::nn::Linear

#include <ostream>  // std::ostream

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// A torch::nn::Linear that can get an adapter: y = x W0^T + b + s dropout(x) A^T B^T.
///
/// Until add_adapter (or inject_lora) it is a Linear: same constructor, same parameter names
/// (weight, bias), same initialisation, so that a model declared with it loads the checkpoints of
/// one declared with Linear. The adapter adds lora_A and lora_B and freezes weight and bias.
///
/// \code
/// lorapro::torch_adapter::LoraLinear query{nullptr};   // was: torch::nn::Linear query{nullptr}
/// \endcode
class LoraLinearImpl : public torch::nn::Cloneable<LoraLinearImpl>, public ScaledAdapter {
 public:
  LoraLinearImpl(std::int64_t in_features, std::int64_t out_features)
      : LoraLinearImpl(torch::nn::LinearOptions(in_features, out_features)) {}
  explicit LoraLinearImpl(const torch::nn::LinearOptions& options_) : options(options_) { reset(); }
  /// Around an existing layer, whose weight and bias it shares, with an adapter.
  /// \throws as add_adapter.
  LoraLinearImpl(const torch::nn::Linear& linear, const LoraConfig& config)
      : options(linear->options) {
    weight = register_parameter("weight", linear->weight, linear->weight.requires_grad());
    bias = register_parameter("bias", linear->bias, false);
    add_adapter(config);
  }

  /// Also what clone() calls: fresh memory of every parameter, in the shapes that there are.
  void reset() override {
    torch::nn::Linear plain(options);
    weight = register_parameter("weight", plain->weight, !has_adapter());
    bias = register_parameter("bias", plain->bias, options.bias() && !has_adapter());
    if (has_adapter()) register_factors(config_.rank);
  }

  /// Adds lora_A and lora_B, initialised as the config says (from its seed, not from libtorch's
  /// generator), of weight's type and device, and freezes weight and bias.
  /// \throws ConfigError (a field of config), StateError (there is an adapter).
  void add_adapter(const LoraConfig& config) {
    config.validate();
    if (has_adapter()) throw StateError("layer: expected one without an adapter, got one with it");
    config_ = config;
    weight.set_requires_grad(false);
    if (bias.defined()) bias.set_requires_grad(false);
    register_factors(config.rank);
    const torch::NoGradGuard no_grad;
    const torch::Tensor A = torch::empty(lora_A.sizes(), torch::kFloat);
    const torch::Tensor B = torch::empty(lora_B.sizes(), torch::kFloat);
    initialize_lora(config, MatrixView<float>{A.data_ptr<float>(), A.size(0), A.size(1), A.size(1)},
                    MatrixView<float>{B.data_ptr<float>(), B.size(0), B.size(1), B.size(1)});
    lora_A.copy_(A);
    lora_B.copy_(B);
  }

  torch::Tensor forward(const torch::Tensor& input) {
    const torch::Tensor base = torch::nn::functional::linear(input, weight, bias);
    if (!has_adapter() || merged()) return base;
    const torch::Tensor seen = config_.lora_dropout > 0
                                   ? torch::dropout(input, config_.lora_dropout, is_training())
                                   : input;
    namespace functional = torch::nn::functional;
    return base + functional::linear(functional::linear(seen, lora_A), lora_B) * scaling();
  }

  /// weight += s B A, and forward is that of a plain layer. weight is kept besides while merged.
  /// \throws StateError (no adapter, or merged).
  void merge() {
    if (!has_adapter()) throw StateError("layer: expected one with an adapter, got one without");
    if (merged()) throw StateError("layer: expected an unmerged layer, got a merged one");
    const torch::NoGradGuard no_grad;
    base_weight_ = weight.clone();
    weight.add_(lora_B.mm(lora_A), scaling());
  }
  /// Brings back weight as it was, bit for bit. \throws StateError (not merged).
  void unmerge() {
    if (!merged()) throw StateError("layer: expected a merged layer, got an unmerged one");
    const torch::NoGradGuard no_grad;
    weight.copy_(base_weight_);
    base_weight_.reset();
  }

  bool has_adapter() const { return lora_A.defined(); }
  bool merged() const { return base_weight_.defined(); }
  /// s = alpha / rank, or alpha / sqrt(rank).
  double scaling() const override { return config_.scaling(); }
  const LoraConfig& config() const { return config_; }

  void pretty_print(std::ostream& stream) const override {
    stream << "lorapro::LoraLinear(in_features=" << options.in_features()
           << ", out_features=" << options.out_features() << ", bias=" << options.bias();
    if (has_adapter()) stream << ", rank=" << config_.rank << ", scaling=" << scaling();
    stream << ")";
  }

  torch::nn::LinearOptions options;
  torch::Tensor weight;  ///< W0, (out_features, in_features)
  torch::Tensor bias;    ///< (out_features), or undefined
  torch::Tensor lora_A;  ///< (rank, in_features), or undefined
  torch::Tensor lora_B;  ///< (out_features, rank), or undefined

 private:
  void register_factors(std::int64_t rank) {
    const auto like = torch::TensorOptions().dtype(weight.dtype()).device(weight.device());
    lora_A = register_parameter("lora_A", torch::empty({rank, options.in_features()}, like));
    lora_B = register_parameter("lora_B", torch::empty({options.out_features(), rank}, like));
  }

  LoraConfig config_;
  torch::Tensor base_weight_;  // while merged
};

/// Holder of LoraLinearImpl, as torch::nn::Linear is of LinearImpl.
TORCH_MODULE(LoraLinear);

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
