// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/archive.hpp>
#include <lorapro/adapters/torch/mapped_engine.hpp>
#include <lorapro/adapters/torch/tensor_engine.hpp>

#include <torch/utils.h>  // torch::NoGradGuard

#include <array>          // std::array
#include <memory>         // std::unique_ptr
#include <string>         // std::string
#include <unordered_map>  // std::unordered_map
#include <unordered_set>  // std::unordered_set
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {

/// What one step did, and what it had nothing to do for.
struct TorchStepReport : StepReport {
  Index without_gradient = 0;  ///< pairs and other parameters whose grad() was undefined
};

/// LoRA-Pro AdamW as an optimizer of libtorch.
///
/// \code
/// lorapro::torch_adapter::LoraProAdamW optimizer(*model, LoraProAdamWOptions(1e-3));
/// ...
/// optimizer.zero_grad();
/// loss.backward();
/// optimizer.step();
/// \endcode
///
/// Pairs of lora_A and lora_B are stepped by the closed form, all other parameters by AdamW.
/// Contiguous or strided CPU tensors in float, double, bfloat16 and half are stepped where they
/// are, gradients included, by lorapro::Optimizer; others by tensor operations on their own device
/// (see StepPath). Gradients may come to lie elsewhere at every step (zero_grad(set_to_none)).
///
/// A parameter without a gradient is skipped, as libtorch's optimizers do: values, moments and step
/// count stay. A pair is skipped as a whole; one gradient of the two is a StateError. What has a
/// gradient that is not finite is left untouched too, and report() says so.
///
/// Clipping (max_grad_norm) is by the norm over one parameter group. One optimizer, one thread.
class LoraProAdamW : public torch::optim::Optimizer {
 public:
  /// The pairs among the model's parameters that require gradients (find_lora_pairs), and the rest
  /// of these parameters: one group. \throws as find_lora_pairs, ConfigError (an option).
  explicit LoraProAdamW(const torch::nn::Module& model, const LoraProAdamWOptions& defaults = {})
      : LoraProAdamW({torch::optim::OptimizerParamGroup(trained(model))},
                     find_lora_pairs(model, defaults.scaling()), defaults) {}

  /// The pairs alone: one group.
  explicit LoraProAdamW(const std::vector<LoraPair>& pairs,
                        const LoraProAdamWOptions& defaults = {})
      : LoraProAdamW({torch::optim::OptimizerParamGroup(factors(pairs))}, pairs, defaults) {}

  /// Groups of parameters, each with options of its own or the defaults, and which of them are
  /// pairs: both factors in one group.
  /// \throws ConfigError (an option; moments that differ between groups are fine), ShapeError (a
  /// pair), StateError (a parameter twice; a pair whose factors are not in one group, by its name).
  LoraProAdamW(const std::vector<torch::optim::OptimizerParamGroup>& groups,
               const std::vector<LoraPair>& pairs, const LoraProAdamWOptions& defaults = {})
      : Optimizer(std::vector<torch::optim::OptimizerParamGroup>(),
                  std::make_unique<LoraProAdamWOptions>(defaults)) {
    defaults.validate();
    add_pairs(pairs);
    for (const auto& group : groups) add_group(group);
    arrange();
    check_placed();
  }

  /// A list of parameters has no names and no scalings: every one of them would be stepped as if it
  /// had no partner.
  explicit LoraProAdamW(const std::vector<torch::Tensor>& parameters,
                        const LoraProAdamWOptions& defaults = {}) = delete;

  /// \throws as the constructor.
  void add_param_group(const torch::optim::OptimizerParamGroup& group,
                       const std::vector<LoraPair>& pairs = {}) {
    add_pairs(pairs);
    add_group(group);
    arrange();
    check_placed();
  }

  /// One step. \return the closure's loss, or an undefined tensor without one.
  /// \throws ConfigError (an option of a group; clipping over parameters that are stepped in
  /// different ways), StateError (one gradient of a pair; a parameter that has moved to another
  /// device or type). Nothing has been written then.
  torch::Tensor step(LossClosure closure = nullptr) override {
    const torch::NoGradGuard no_grad;
    torch::Tensor loss;
    if (closure != nullptr) {
      const torch::AutoGradMode enable_grad(true);
      loss = closure();
    }
    arrange();
    check();
    TorchStepReport report;
    report.step = report_.step + 1;
    double squared_norm = 0;
    for (std::size_t g = 0; g < groups_.size(); ++g)
      for (const auto& engine : groups_[g].engines) {
        if (engine == nullptr) continue;
        const StepReport part = engine->step(options_of(g), state_);
        report.updated += part.updated;
        report.skipped_non_finite += part.skipped_non_finite;
        report.skipped_overflow += part.skipped_overflow;
        report.rank_deficient += part.rank_deficient;
        report.clip_factor = (std::min)(report.clip_factor, part.clip_factor);
        squared_norm += part.grad_norm * part.grad_norm;
      }
    report.grad_norm = std::sqrt(squared_norm);
    for (const Group& group : groups_)
      for (const detail::Item& item : group.items)
        report.without_gradient += item.has_gradient() ? 0 : 1;
    report_ = report;
    return loss;
  }

  /// Of the last step.
  const TorchStepReport& report() const { return report_; }

  /// The states by parameter, LoraProAdamWParamState each, brought up to date first: those of the
  /// mapped path are copies. The map as the base class hands it out has not been.
  StateMap& state() {
    for_each_engine([&](detail::Engine& engine) { engine.export_states(state_); });
    return state_;
  }

  /// \name For torch::save and torch::load
  /// Options of the groups, steps and moments; load takes them into an optimizer that has been made
  /// for the same parameters in the same order, whatever device or path either had, and the
  /// training goes on with the same bits where the path is the same. threads and path are kept.
  /// @{
  void save(torch::serialize::OutputArchive& archive) const override {
    // Copies of what the engines keep, which the const of the base class cannot mean.
    auto& self = const_cast<LoraProAdamW&>(*this);
    detail::save_states(archive, roles(), param_groups_, self.state());
  }
  /// \throws StateError (groups, parameters or moments other than the archive's), ShapeError.
  /// Nothing has changed then.
  void load(torch::serialize::InputArchive& archive) override {
    arrange();
    detail::load_states(archive, roles(), param_groups_, state_);
    for_each_engine([&](detail::Engine& engine) { engine.import_states(state_); });
  }
  /// @}

 private:
  struct Group {
    std::size_t arranged = 0;  // parameters that belong to an item
    std::vector<detail::Item> items;
    std::array<std::unique_ptr<detail::Engine>, 3> engines;  // float, double, tensor
  };

  static std::vector<torch::Tensor> trained(const torch::nn::Module& model) {
    std::vector<torch::Tensor> result;
    std::unordered_set<const void*> seen;
    for (const torch::Tensor& parameter : model.parameters())
      if (parameter.requires_grad() && seen.insert(parameter.unsafeGetTensorImpl()).second)
        result.push_back(parameter);
    return result;
  }
  static std::vector<torch::Tensor> factors(const std::vector<LoraPair>& pairs) {
    std::vector<torch::Tensor> result;
    for (const LoraPair& pair : pairs) {
      detail::check_pair(pair);
      result.push_back(pair.lora_A);
      result.push_back(pair.lora_B);
    }
    return result;
  }

  const LoraProAdamWOptions& options_of(std::size_t group) const {
    return static_cast<const LoraProAdamWOptions&>(param_groups_[group].options());
  }

  void add_pairs(const std::vector<LoraPair>& pairs) {
    for (const LoraPair& pair : pairs) {
      detail::check_pair(pair);
      if (!pair_of_A_.emplace(pair.lora_A.unsafeGetTensorImpl(), pairs_.size()).second ||
          !of_B_.insert(pair.lora_B.unsafeGetTensorImpl()).second)
        throw StateError("pairs: expected every factor once, got one again");
      pairs_.push_back(pair);
    }
  }

  /// \throws StateError that names a pair of which no group has lora_A.
  void check_placed() const {
    for (std::size_t i = 0; i < pairs_.size(); ++i)
      if (known_.count(pairs_[i].lora_A.unsafeGetTensorImpl()) == 0)
        throw StateError(detail::text_of(pairs_[i], i) +
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
    if (dynamic_cast<const LoraProAdamWOptions*>(&group.options()) == nullptr)
      throw ConfigError("options: expected LoraProAdamWOptions for the group, got others");
    param_groups_.back().set_options(group.options().clone());
  }

  /// Gives parameters that are new in the groups an engine.
  void arrange() {
    groups_.resize(param_groups_.size());
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto& parameters = param_groups_[g].params();
      if (groups_[g].arranged == parameters.size()) continue;
      options_of(g).validate();
      std::unordered_set<const void*> here;
      for (const torch::Tensor& parameter : parameters)
        here.insert(parameter.unsafeGetTensorImpl());
      for (; groups_[g].arranged < parameters.size(); ++groups_[g].arranged)
        add_parameter(parameters[groups_[g].arranged], g, here);
    }
  }

  void add_parameter(const torch::Tensor& parameter, std::size_t g,
                     const std::unordered_set<const void*>& here) {
    const void* const key = parameter.unsafeGetTensorImpl();
    if (!known_.insert(key).second)
      throw StateError("parameters: expected each one once, got one again in group " +
                       std::to_string(g));
    if (of_B_.count(key) != 0) return;  // with its lora_A
    Group& group = groups_[g];
    detail::Item item{parameter, {}, 1.0, {}};
    const auto pair = pair_of_A_.find(key);
    if (pair != pair_of_A_.end()) {
      const LoraPair& found = pairs_[pair->second];
      item.B = found.lora_B;
      item.scaling = found.scaling;
      if (!found.name.empty()) item.name = "pair " + found.name;
      if (here.count(item.B.unsafeGetTensorImpl()) == 0)
        throw StateError(detail::text_of(found, pair->second) +
                         ": expected both factors in one group, got lora_A in group " +
                         std::to_string(g) + " and lora_B " + place_of(item.B));
    }
    if (item.name.empty())
      item.name = (item.is_pair() ? "pair " : "parameter ") + std::to_string(group.items.size()) +
                  " of group " + std::to_string(g);
    engine_for(group, item, options_of(g)).add(item);
    group.items.push_back(item);
  }

  static detail::Engine& engine_for(Group& group, const detail::Item& item,
                                    const LoraProAdamWOptions& options) {
    if (!item.A.is_floating_point())
      throw ConfigError(item.name + ": expected a floating-point tensor, got " + item.A.toString());
    std::size_t way = 2;
    if (options.path() == StepPath::automatic && detail::can_map<float>(item)) way = 0;
    if (options.path() == StepPath::automatic && detail::can_map<double>(item)) way = 1;
    auto& engine = group.engines[way];
    if (engine == nullptr) {
      if (way == 0) engine = mapped_engine<float>(options.moments());
      if (way == 1) engine = mapped_engine<double>(options.moments());
      if (way == 2) engine = std::make_unique<detail::TensorEngine>();
    }
    return *engine;
  }

  template <typename Scalar>
  static std::unique_ptr<detail::Engine> mapped_engine(Moments moments) {
    using detail::MappedEngine;
    switch (moments) {
      case Moments::adapter:
        return std::make_unique<MappedEngine<Scalar, LoraPro<AdapterMoments>>>();
      case Moments::spectral:
        return std::make_unique<MappedEngine<Scalar, LoraPro<SpectralMoments>>>();
      default:
        return std::make_unique<MappedEngine<Scalar, LoraPro<FullMoments<Scalar>>>>();
    }
  }

  /// All that can be wrong with a step.
  void check() const {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const Group& group = groups_[g];
      options_of(g).validate();
      int ways = 0;
      for (const auto& engine : group.engines) {
        if (engine == nullptr) continue;
        ++ways;
        engine->check();
      }
      if (ways > 1 && options_of(g).max_grad_norm() > 0)
        throw ConfigError(
            "max_grad_norm: expected a group that is stepped in one way, got parameters of "
            "several types or devices in group " +
            std::to_string(g));
      for (const detail::Item& item : group.items) item.check_gradients();
    }
  }

  template <typename F>
  void for_each_engine(const F& f) {
    for (const Group& group : groups_)
      for (const auto& engine : group.engines)
        if (engine != nullptr) f(*engine);
  }

  /// What each parameter of each group is.
  std::vector<std::vector<detail::Role>> roles() const {
    std::vector<std::vector<detail::Role>> result;
    for (const auto& group : param_groups_) {
      result.emplace_back();
      for (const torch::Tensor& parameter : group.params()) {
        const auto pair = pair_of_A_.find(parameter.unsafeGetTensorImpl());
        if (pair != pair_of_A_.end()) {
          result.back().push_back({detail::Role::lora_A, pairs_[pair->second].lora_B.size(0)});
        } else {
          const bool of_B = of_B_.count(parameter.unsafeGetTensorImpl()) != 0;
          result.back().push_back({of_B ? detail::Role::lora_B : detail::Role::plain, 0});
        }
      }
    }
    return result;
  }

  std::vector<LoraPair> pairs_;
  std::unordered_map<const void*, std::size_t> pair_of_A_;
  std::unordered_set<const void*> of_B_, known_;
  std::vector<Group> groups_;
  TorchStepReport report_;
};

}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
