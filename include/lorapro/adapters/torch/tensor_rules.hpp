// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

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
  /// Takes the gradients of a pair into its state.
  /// \return what the factors move against, times their rates.
  virtual TensorStep direction(TensorUpdate& update) const = 0;
  /// What is left to do when the factors of a pair have been written.
  virtual void moved(TensorUpdate& /*update*/) const {}
  /// As direction, of a parameter without factors: AdamW's.
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
  TensorStep direction(TensorUpdate& update) const override {
    const TensorPair& pair = *update.work.pair;
    const auto type = update.type();
    const TensorStep step = update.adjusted();
    const torch::Tensor A = pair.A().to(type), B = pair.B().to(type);
    const torch::Tensor E =
        torch::cat({B, step.B.to(type)}, 1).mm(torch::cat({step.A.to(type), A}, 0)) *
        update.item().scaling;
    const torch::Tensor H = update.adam(E);
    return update.project({B.t().mm(H).to(torch::kDouble), H.mm(A.t()).to(torch::kDouble)});
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
    const TensorWork& work = update.work;
    const TensorPair& pair = *work.pair;
    const double beta1 = *update.config.beta1;
    const TensorStep seen = scaled(pair.image(update.adjusted()), update.item().scaling);
    const torch::Tensor exp_avg_A = update.state.tensor("exp_avg_A"),
                        exp_avg_B = update.state.tensor("exp_avg_B");
    update.momentum = to_tangent(
        pair, exp_avg_A.defined()
                  ? mix(beta1, {exp_avg_A.to(torch::kDouble), exp_avg_B.to(torch::kDouble)}, seen)
                  : scaled(seen, 1 - beta1));
    const TensorStep nesterov = mix(beta1, pair.image(update.momentum), seen);
    const TensorStep orthogonal = scaled(pair.orthogonal_image(to_tangent(pair, nesterov)),
                                         lorapro::detail::usual_singular_value(work.shape()));
    return update.project(orthogonal,
                          work.on_device(lorapro::detail::usual_direction_norm(work.shape())));
  }

  void moved(TensorUpdate& update) const override {
    const TensorStep factors = update.factors();
    const TensorPair after(factors.A, factors.B, storage_epsilon_of(update.item().A));
    const TensorStep seen = update.work.pair->image(update.momentum, after);
    update.state.tensors()["exp_avg_A"] = seen.A.to(update.type());
    update.state.tensors()["exp_avg_B"] = seen.B.to(update.type());
  }

 private:
  static TensorStep scaled(const TensorStep& step, double factor) {
    return {step.A * factor, step.B * factor};
  }
  static TensorStep mix(double beta, const TensorStep& old, const TensorStep& now) {
    return {old.A * beta + now.A * (1 - beta), old.B * beta + now.B * (1 - beta)};
  }
  /// The tangent vector of which the factors see `seen`, undamped.
  static TensorStep to_tangent(const TensorPair& pair, const TensorStep& seen) {
    AdjustOptions undamped;
    undamped.gauge = Gauge::zero;
    return pair.adjust(seen, 1.0, undamped);
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
