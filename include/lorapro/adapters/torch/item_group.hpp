// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/mapped_engine.hpp>
#include <lorapro/adapters/torch/tensor_engine.hpp>

#include <array>   // std::array
#include <memory>  // std::unique_ptr
#include <string>  // std::string
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// The items of one parameter group, each with the engine that steps it.
class ItemGroup {
 public:
  const std::vector<Item>& items() const { return items_; }

  /// \throws ConfigError (no floating-point tensor; a rule that cannot step the item).
  void add(const Item& item, const LoraProOptions& options) {
    if (!item.A.is_floating_point())
      throw ConfigError(item.name + ": expected a floating-point tensor, got " + item.A.toString());
    if (items_.empty()) rule_ = options.rule();
    engine_for(item, options.path()).add(item);
    items_.push_back(item);
  }

  /// All that can be wrong with a step. \param number  of the group, for messages.
  /// \throws ConfigError, StateError.
  void check(const LoraProOptions& options, std::size_t number) const {
    options.validate();
    if (!items_.empty() && options.rule() != rule_)
      throw ConfigError("rule: expected " + rule_ + ", with which group " + std::to_string(number) +
                        " was made, got " + options.rule());
    int ways = 0;
    for (const auto& engine : engines_) {
      if (engine == nullptr) continue;
      ++ways;
      engine->check();
    }
    if (ways > 1 && options.max_grad_norm() > 0)
      throw ConfigError(
          "max_grad_norm: expected a group that is stepped in one way, got parameters of several "
          "types or devices in group " +
          std::to_string(number));
    for (const Item& item : items_) item.check_gradients();
  }

  template <typename F>
  void for_each_engine(const F& f) const {
    for (const auto& engine : engines_)
      if (engine != nullptr) f(*engine);
  }

 private:
  Engine& engine_for(const Item& item, StepPath path) {
    enum Way : std::size_t { by_float, by_double, by_tensors };
    Way way = by_tensors;
    if (path == StepPath::automatic && can_map<float>(item)) way = by_float;
    if (path == StepPath::automatic && can_map<double>(item)) way = by_double;
    auto& engine = engines_[way];
    if (engine == nullptr) {
      if (way == by_float) engine = make_mapped_engine<float>(rule_);
      if (way == by_double) engine = make_mapped_engine<double>(rule_);
      if (way == by_tensors) engine = std::make_unique<TensorEngine>(rule_);
    }
    return *engine;
  }

  std::string rule_;
  std::vector<Item> items_;
  std::array<std::unique_ptr<Engine>, 3> engines_;
};

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
