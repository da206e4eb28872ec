// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/rules.hpp>

#include <memory>   // std::unique_ptr
#include <variant>  // std::variant

LORAPRO_NAMESPACE_BEGIN

namespace detail {

template <typename Scalar, typename List>
struct OptimizersOf;
template <typename Scalar, typename... Rules>
struct OptimizersOf<Scalar, RuleList<Rules...>> {
  using Variant = std::variant<std::unique_ptr<Optimizer<Scalar, Rules>>...>;
};

}  // namespace detail

/// An optimizer whose rule is chosen by its name at run time.
///
/// \code
/// lorapro::AnyOptimizer<float> optimizer("lora_pro_spectral", config);
/// optimizer.attach(layer);
/// const auto report = optimizer.step();
/// optimizer.visit([&](auto& typed) { checkpoint.add("optimizer", typed); });
/// \endcode
///
/// Every rule is compiled in each translation unit that steps one: keep it behind a function of
/// your own where compile time matters. Members are those of Optimizer.
/// \tparam Scalar  float or double.
template <typename Scalar>
class AnyOptimizer {
 public:
  /// \throws ConfigError (no rule of this name; a field of config).
  explicit AnyOptimizer(std::string_view rule, const OptimizerConfig& config = {})
      : optimizer_(visit_rule<Scalar>(rule, [&](auto tag) -> Variant {
          return std::make_unique<Optimizer<Scalar, typename decltype(tag)::Rule>>(config);
        })) {}

  /// Calls f(optimizer) with the Optimizer of the rule, and returns what it returns.
  template <typename F>
  decltype(auto) visit(const F& f) {
    return std::visit([&](auto& typed) -> decltype(auto) { return f(*typed); }, optimizer_);
  }
  template <typename F>
  decltype(auto) visit(const F& f) const {
    return std::visit([&](const auto& typed) -> decltype(auto) { return f(std::as_const(*typed)); },
                      optimizer_);
  }

  /// The kName of the rule.
  std::string rule() const {
    return visit([](const auto& typed) { return std::string(name_of(typed)); });
  }

  GroupId add_group(const GroupConfig& group) {
    return visit([&](auto& typed) { return typed.add_group(group); });
  }
  /// A layer, a LoraView or a DenseView. \return a PairId or a DenseId.
  template <typename Parameter>
  auto attach(Parameter&& parameter, GroupId group = {}, const std::string& name = "") {
    return visit([&](auto& typed) { return typed.attach(parameter, group, name); });
  }
  [[nodiscard]] StepReport step(const StepScale& scale = {}) {
    return visit([&](auto& typed) { return typed.step(scale); });
  }
  void zero_grad() {
    visit([](auto& typed) { typed.zero_grad(); });
  }
  void set_lr(double lr, GroupId group = {}) {
    visit([&](auto& typed) { typed.set_lr(lr, group); });
  }
  const OptimizerConfig& config() const {
    return visit([](const auto& typed) -> const OptimizerConfig& { return typed.config(); });
  }
  std::int64_t step_count() const {
    return visit([](const auto& typed) { return typed.step_count(); });
  }
  std::size_t state_bytes() {
    return visit([](auto& typed) { return typed.state_bytes(); });
  }

 private:
  using Variant = typename detail::OptimizersOf<Scalar, AllRules<Scalar>>::Variant;

  template <typename Rule>
  static constexpr const char* name_of(const Optimizer<Scalar, Rule>&) {
    return Rule::kName;
  }

  Variant optimizer_;
};

LORAPRO_NAMESPACE_END
