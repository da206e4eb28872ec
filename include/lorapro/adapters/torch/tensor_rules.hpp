// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/tensor_spectral_direction.hpp>
#include <lorapro/adapters/torch/tensor_update.hpp>
#include <lorapro/optim/rules.hpp>

#include <memory>       // std::make_unique
#include <string>       // std::string
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// How a rule of the library steps by tensor operations: the same numbers but for rounding, and the
/// same state.
class TensorRule {
 public:
  virtual ~TensorRule() = default;

  /// The options with what the rule of the library decides where the user has not.
  virtual OptimizerConfig resolved(const OptimizerConfig& config) const = 0;
  /// Whether pairs are projected.
  virtual bool projects() const { return true; }
  /// How many numbers a step of an item works on: batches are as large as what they need allows.
  virtual std::int64_t working_numbers(const Item& item) const {
    return item.A.numel() + (item.is_pair() ? item.B.numel() : 0);
  }
  /// Takes the gradients of pairs into their states.
  /// \return what the factors move against, times their rates.
  virtual TensorStep direction(TensorUpdate& update) const = 0;
  /// What is left to do when the factors of pairs have been written.
  virtual void moved(TensorUpdate& /*update*/) const {}
  /// As direction, of parameters without factors: AdamW's.
  virtual torch::Tensor dense_direction(const TensorUpdate& update) const {
    return update.adam(update.gradients().A);
  }
};

/// \tparam Rule  of the library.
template <typename Rule>
class TensorRuleOf : public TensorRule {
 public:
  static constexpr const char* kName = Rule::kName;

  OptimizerConfig resolved(const OptimizerConfig& config) const override {
    return config.with_defaults(Rule::kBeta1, Rule::kMaxRelativeMove);
  }
};

class TensorFull final : public TensorRuleOf<LoraPro<FullMoments<double>>> {
 public:
  std::int64_t working_numbers(const Item& item) const override {
    return item.is_pair() ? item.B.size(0) * item.A.size(1) : item.A.numel();
  }
  TensorStep direction(TensorUpdate& update) const override {
    const TensorPairs& pairs = *update.batch.pairs;
    const auto type = update.type();
    const TensorStep step = update.adjusted();
    const torch::Tensor A = pairs.A().to(type), B = pairs.B().to(type);
    const torch::Tensor E = torch::cat({B, step.B.to(type)}, -1)
                                .matmul(torch::cat({step.A.to(type), A}, -2) *
                                        per_matrix(update.batch.scaling).to(type));
    const torch::Tensor H = update.adam(E);
    return update.project(
        {B.mT().matmul(H).to(torch::kDouble), H.matmul(A.mT()).to(torch::kDouble)});
  }
};

class TensorAdapter final : public TensorRuleOf<LoraPro<AdapterMoments>> {
 public:
  TensorStep direction(TensorUpdate& update) const override {
    return update.adam(update.adjusted());
  }
};

class TensorSpectral final : public TensorRuleOf<LoraPro<SpectralMoments>> {
 public:
  TensorStep direction(TensorUpdate& update) const override {
    const TensorBatch& batch = update.batch;
    const TensorPairs& pairs = *batch.pairs;
    const double beta1 = *update.config.beta1;
    const TensorStep seen = scaled(pairs.image(update.adjusted()), per_matrix(batch.scaling));
    const torch::Tensor exp_avg_A = batch.state("exp_avg_A"), exp_avg_B = batch.state("exp_avg_B");
    update.momentum = to_tangent(
        batch, exp_avg_A.defined()
                   ? mix(beta1, {exp_avg_A.to(torch::kDouble), exp_avg_B.to(torch::kDouble)}, seen)
                   : scaled(seen, 1 - beta1));
    const TensorStep nesterov = mix(beta1, pairs.image(update.momentum), seen);
    const TensorStep orthogonal = scaled(orthogonal_image(pairs, nesterov),
                                         lorapro::detail::usual_singular_value(batch.shape()));
    return update.project(orthogonal,
                          batch.on_device(lorapro::detail::usual_direction_norm(batch.shape())));
  }

  void moved(TensorUpdate& update) const override {
    const TensorStep seen = update.batch.pairs->image(update.momentum, update.factors());
    update.batch.set_state("exp_avg_A", seen.A.to(update.type()));
    update.batch.set_state("exp_avg_B", seen.B.to(update.type()));
  }

 private:
  template <typename Factor>
  static TensorStep scaled(const TensorStep& step, const Factor& factor) {
    return {step.A * factor, step.B * factor};
  }
  static TensorStep mix(double beta, const TensorStep& old, const TensorStep& now) {
    return {old.A * beta + now.A * (1 - beta), old.B * beta + now.B * (1 - beta)};
  }
  /// The tangent vectors of which the factors see `seen`, undamped.
  static TensorStep to_tangent(const TensorBatch& batch, const TensorStep& seen) {
    AdjustOptions undamped;
    undamped.gauge = Gauge::zero;
    return batch.pairs->adjust(seen, torch::ones_like(batch.scaling), undamped);
  }
};

class TensorAdamW final : public TensorRuleOf<AdamWRule> {
 public:
  bool projects() const override { return false; }
  TensorStep direction(TensorUpdate& update) const override {
    return update.adam(update.gradients());
  }
};

class TensorSgd final : public TensorRuleOf<SgdRule> {
 public:
  bool projects() const override { return false; }
  TensorStep direction(TensorUpdate& update) const override { return update.gradients(); }
  torch::Tensor dense_direction(const TensorUpdate& update) const override {
    return update.gradients().A;
  }
};

/// The rules that have a tensor path.
using TensorRules = RuleList<TensorSpectral, TensorFull, TensorAdapter, TensorAdamW, TensorSgd>;

/// The rule of this name by tensor operations.
/// \throws ConfigError that names the item: no such rule, or one of the mapped path alone.
inline std::unique_ptr<TensorRule> make_tensor_rule(std::string_view name, const Item& item) {
  std::string known;
  for (const std::string& one : lorapro::detail::names_of(TensorRules{})) {
    if (one == name)
      return lorapro::detail::visit_rule_in(
          TensorRules{}, name, [](auto tag) -> std::unique_ptr<TensorRule> {
            return std::make_unique<typename decltype(tag)::Rule>();
          });
    known += (known.empty() ? "" : ", ") + one;
  }
  throw ConfigError("rule: expected one of " + known + " for " + item.name + ", a " +
                    item.A.toString() + " that is stepped by tensor operations, got \"" +
                    std::string(name) +
                    "\": choose one of these for its group, or keep the parameter on the CPU, "
                    "without gaps, with StepPath::automatic");
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
