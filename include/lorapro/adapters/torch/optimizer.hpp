// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/archive.hpp>
#include <lorapro/adapters/torch/item_group.hpp>

#include <torch/utils.h>  // torch::NoGradGuard

#include <algorithm>      // std::min
#include <cmath>          // std::sqrt
#include <memory>         // std::make_unique
#include <string>         // std::string
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// What one step did, and what it had nothing to do for.
struct TorchStepReport : StepReport {
  Index without_gradient = 0;  ///< pairs and other parameters whose grad() was undefined
};

/// The library's optimizer, with any of its rules, as an optimizer of libtorch.
///
/// \code
/// lorapro::torch_adapter::LoraProOptimizer optimizer(*model, LoraProOptions(1e-3));
/// ...
/// optimizer.zero_grad();
/// loss.backward();
/// optimizer.step();
/// \endcode
///
/// Pairs of lora_A and lora_B are stepped by the rule of their group (LoraProOptions::rule), all
/// other parameters as dense parameters of that rule, those of two dimensions as matrices, which
/// muon tells from others. Contiguous or strided CPU tensors in float, double, bfloat16 and half
/// are stepped where they are, gradients included, by lorapro::Optimizer, with any rule; others by
/// tensor operations on their own device (see StepPath), with the rules of detail::TensorRules.
/// Gradients may come to lie elsewhere at every step (zero_grad(set_to_none)).
///
/// A parameter without a gradient is skipped, as libtorch's optimizers do: values, moments and step
/// count stay. A pair is skipped as a whole; one gradient of the two is a StateError. What has a
/// gradient that is not finite is left untouched too, and report() says so.
///
/// Clipping (max_grad_norm) is by the norm over one parameter group. One optimizer, one thread.
class LoraProOptimizer : public torch::optim::Optimizer {
 public:
  /// The pairs among the model's parameters that require gradients (find_lora_pairs), and the rest
  /// of these parameters: one group. \throws as find_lora_pairs, ConfigError (an option).
  explicit LoraProOptimizer(const torch::nn::Module& model, const LoraProOptions& defaults = {})
      : LoraProOptimizer({torch::optim::OptimizerParamGroup(detail::trained_parameters(model))},
                         find_lora_pairs(model, defaults.scaling()), defaults) {}

  /// The pairs alone: one group.
  explicit LoraProOptimizer(const std::vector<LoraPair>& pairs, const LoraProOptions& defaults = {})
      : LoraProOptimizer({torch::optim::OptimizerParamGroup(detail::factors_of(pairs))}, pairs,
                         defaults) {}

  /// Groups of parameters, each with options of its own, rule included, or the defaults, and which
  /// of them are pairs: both factors in one group.
  /// \throws ConfigError (an option; a rule that cannot step a parameter), ShapeError (a pair),
  /// StateError (a parameter twice; a pair whose factors are not in one group, by its name).
  LoraProOptimizer(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                   const std::vector<LoraPair>& pairs, const LoraProOptions& defaults = {})
      : Optimizer(std::vector<torch::optim::OptimizerParamGroup>(),
                  std::make_unique<LoraProOptions>(defaults)) {
    defaults.validate();
    pairs_.add(pairs);
    for (const auto& group : groups) add_group(group);
    arrange();
    check_placed();
  }

  /// A list of parameters has no names and no scalings: every one of them would be stepped as if it
  /// had no partner.
  explicit LoraProOptimizer(const std::vector<torch::Tensor>& parameters,
                            const LoraProOptions& defaults = {}) = delete;

  /// \throws as the constructor.
  void add_param_group(const torch::optim::OptimizerParamGroup& group,
                       const std::vector<LoraPair>& pairs = {}) {
    pairs_.add(pairs);
    add_group(group);
    arrange();
    check_placed();
  }

  /// One step. \return the closure's loss, or an undefined tensor without one.
  /// \throws ConfigError (an option of a group; another rule than it was made with; clipping over
  /// parameters that are stepped in different ways), StateError (one gradient of a pair; a
  /// parameter that has moved to another device or type). Nothing has been written then.
  torch::Tensor step(LossClosure closure = nullptr) override {
    const torch::NoGradGuard no_grad;
    torch::Tensor loss;
    if (closure != nullptr) {
      const torch::AutoGradMode enable_grad(true);
      loss = closure();
    }
    arrange();
    for (std::size_t g = 0; g < groups_.size(); ++g) groups_[g].check(options_of(g), g);
    TorchStepReport report;
    report.step = report_.step + 1;
    double squared_norm = 0;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      groups_[g].for_each_engine([&](detail::Engine& engine) {
        const StepReport part = engine.step(options_of(g), state_);
        report.updated += part.updated;
        report.skipped_non_finite += part.skipped_non_finite;
        report.skipped_overflow += part.skipped_overflow;
        report.rank_deficient += part.rank_deficient;
        report.clip_factor = (std::min)(report.clip_factor, part.clip_factor);
        squared_norm += part.grad_norm * part.grad_norm;
      });
      for (const detail::Item& item : groups_[g].items())
        report.without_gradient += item.has_gradient() ? 0 : 1;
    }
    report.grad_norm = std::sqrt(squared_norm);
    report_ = report;
    return loss;
  }

  /// Of the last step.
  const TorchStepReport& report() const { return report_; }

  /// The states, a LoraProParamState for each parameter without factors and for each lora_A, which
  /// has that of its pair, brought up to date first: those of the mapped path are copies. The map
  /// as the base class hands it out has not been.
  StateMap& state() {
    for_each_engine([&](detail::Engine& engine) { engine.export_states(state_); });
    return state_;
  }

  /// \name For torch::save and torch::load
  /// Options of the groups, steps and what the rules keep; load takes them into an optimizer that
  /// has been made for the same parameters in the same order, whatever device or path either had,
  /// and the training goes on with the same bits where the path is the same. threads and path are
  /// kept.
  /// @{
  void save(torch::serialize::OutputArchive& archive) const override {
    // Copies of what the engines keep, which the const of the base class cannot mean.
    auto& self = const_cast<LoraProOptimizer&>(*this);
    detail::save_states(archive, pairs_, param_groups_, self.state());
  }
  /// \throws StateError (groups, parameters or rules other than the archive's), ShapeError.
  /// Nothing has changed then.
  void load(torch::serialize::InputArchive& archive) override {
    arrange();
    detail::load_states(archive, pairs_, param_groups_, state_);
    for_each_engine([&](detail::Engine& engine) { engine.import_states(state_); });
  }
  /// @}

 private:
  const LoraProOptions& options_of(std::size_t group) const {
    return static_cast<const LoraProOptions&>(param_groups_[group].options());
  }

  /// \throws StateError that names a pair of which no group has lora_A.
  void check_placed() const {
    for (const LoraPair& pair : pairs_.pairs())
      if (known_.count(pair.lora_A.unsafeGetTensorImpl()) == 0)
        throw StateError(pairs_.text(pair) +
                         ": expected both factors in one group, got lora_A in no group");
  }

  /// "in group g", or "in no group".
  std::string place_of(const torch::Tensor& parameter) const {
    for (std::size_t g = 0; g < param_groups_.size(); ++g)
      for (const torch::Tensor& other : param_groups_[g].params())
        if (other.is_same(parameter)) return "in group " + std::to_string(g);
    return "in no group";
  }

  void add_group(const torch::optim::OptimizerParamGroup& group) {
    Optimizer::add_param_group(group);
    // Some versions of libtorch put the defaults in place of options that are not of their own.
    if (!group.has_options()) return;
    if (dynamic_cast<const LoraProOptions*>(&group.options()) == nullptr)
      throw ConfigError("options: expected LoraProOptions for the group, got others");
    param_groups_.back().set_options(group.options().clone());
  }

  /// Gives parameters that are new in the groups an engine.
  void arrange() {
    groups_.resize(param_groups_.size());
    arranged_.resize(param_groups_.size());
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto& parameters = param_groups_[g].params();
      if (arranged_[g] == parameters.size()) continue;
      options_of(g).validate();
      std::unordered_set<const void*> here;
      for (const torch::Tensor& parameter : parameters)
        here.insert(parameter.unsafeGetTensorImpl());
      for (; arranged_[g] < parameters.size(); ++arranged_[g])
        add_parameter(parameters[arranged_[g]], g, here);
    }
  }

  void add_parameter(const torch::Tensor& parameter, std::size_t g,
                     const std::unordered_set<const void*>& here) {
    if (!known_.insert(parameter.unsafeGetTensorImpl()).second)
      throw StateError("parameters: expected each one once, got one again in group " +
                       std::to_string(g));
    const detail::Role role = pairs_.role_of(parameter);
    if (role == detail::Role::lora_B) return;  // with its lora_A
    detail::Item item{parameter, {}, 1.0, {}};
    if (role == detail::Role::lora_A) {
      const LoraPair& found = pairs_.with_A(parameter);
      item.B = found.lora_B;
      item.scaling = found.scaling;
      if (!found.name.empty()) item.name = "pair " + found.name;
      if (here.count(item.B.unsafeGetTensorImpl()) == 0)
        throw StateError(pairs_.text(found) +
                         ": expected both factors in one group, got lora_A in group " +
                         std::to_string(g) + " and lora_B " + place_of(item.B));
    }
    if (item.name.empty())
      item.name = (item.is_pair() ? "pair " : "parameter ") +
                  std::to_string(groups_[g].items().size()) + " of group " + std::to_string(g);
    groups_[g].add(item, options_of(g));
  }

  template <typename F>
  void for_each_engine(const F& f) {
    for (const detail::ItemGroup& group : groups_) group.for_each_engine(f);
  }

  detail::PairTable pairs_;
  std::unordered_set<const void*> known_;
  std::vector<detail::ItemGroup> groups_;
  std::vector<std::size_t> arranged_;  // parameters of each group that groups_ has
  TorchStepReport report_;
};

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
