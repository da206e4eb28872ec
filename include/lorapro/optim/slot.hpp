// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/optim/checked_view.hpp>
#include <lorapro/optim/groups.hpp>

#include <array>        // std::array
#include <string>       // std::string
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN

/// \name Handles, valid for the optimizer that gave them
/// @{
struct PairId {
  Index index = 0;
};
struct DenseId {
  Index index = 0;
};
/// @}

namespace detail {

/// Memory that a parameter alone has.
struct OwnMemory {
  const char* name = "";
  AddressRange range;
};

/// W0 of a pair, where merged decay may reach it.
struct BaseMemory {
  void* data = nullptr;  ///< (out_features, in_features) row-major
  StorageType type = StorageType::f32;

  /// \throws ConfigError if the group decays W0 and there is none that can be.
  void check_decay(const GroupConfig& group) const {
    if (!group.decays_base()) return;
    if (data == nullptr)
      throw ConfigError(
          "decay_target: expected a sole, writable W0 for merged decay, got none for this pair");
    if (type != StorageType::f32 && type != StorageType::f64)
      throw ConfigError(
          "decay_target: expected W0 in float or double for merged decay, got a type that would "
          "round the decay away");
  }
};

/// What a caller gives to be attached, checked, whatever the types of the view.
struct GivenPair {
  Pair pair;
  BaseMemory base;
  std::array<OwnMemory, 4> memory;
};
struct GivenDense {
  Dense dense;
  std::array<OwnMemory, 4> memory;
};

/// \throws as pair_of.
template <typename T, typename Base>
GivenPair given(const LoraView<T, Base>& view) {
  return {pair_of(view),
          {view.base_weight, storage_type<Base>()},
          {{{"lora_A", address_range(view.lora_A)},
            {"lora_B", address_range(view.lora_B)},
            {"grad_A", address_range(view.grad_A)},
            {"grad_B", address_range(view.grad_B)}}}};
}
/// \throws as dense_of.
template <typename T>
GivenDense given(const DenseView<T>& view) {
  return {dense_of(view),
          {{{"value", range_of(view.value, view.size)}, {"grad", range_of(view.grad, view.size)}}}};
}

/// Streams of random numbers (Slot::stream): pairs have their number, dense parameters this plus
/// theirs.
inline constexpr std::uint64_t kDenseStreams = std::uint64_t{1} << 32;

/// What the optimizer keeps of anything attached, beside the rule's state.
struct Slot {
  std::string name;
  Index group = 0;
  std::int64_t step = 0;
  Index cost_ns = 0;         ///< RuleWorkspace::cost_ns
  std::uint64_t stream = 0;  ///< of the random numbers that round its state
  bool active = true;        ///< false: steps pass it by, as if it were not attached
  bool frozen = false;       ///< steps leave it out, and count it as such
  bool left_out = false;     ///< the next step leaves it out
  /// Of a pair, from its first step on. It cannot be told later from the factors alone, whatever
  /// their scale.
  Side free_factor = Side::B;
  StepContext context;
  Preparation preparation;
  std::array<OwnMemory, 4> memory;

  /// For gradients that lie elsewhere at every step: they are not told apart from others then.
  void release_gradients() {
    for (OwnMemory& own : memory)
      if (std::string_view(own.name).substr(0, 4) == "grad") own.range = {};
  }

  bool takes_part() const { return active && !frozen && !left_out; }

  /// Begins a step. \param grad_scale  1 / (loss scale x accumulated batches).
  void set_context(const OptimizerConfig& config, const GroupConfig& of_group, double grad_scale) {
    context.config = &config;
    context.grad_scale = grad_scale;
    context.clip = 1;
    context.step = step + 1;
    context.rounding_key =
        derive_key(derive_key(config.seed, static_cast<std::uint64_t>(context.step)), stream);
    context.clip_norm = of_group.clip_norm;
    context.free_factor = free_factor;
  }
};

/// Factor of what a group decays in a step, at this rate.
inline double decay_at(double lr, const GroupConfig& group) { return 1 - lr * group.weight_decay; }

}  // namespace detail

LORAPRO_NAMESPACE_END
