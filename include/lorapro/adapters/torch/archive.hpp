// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/options.hpp>
#include <lorapro/adapters/torch/pair_table.hpp>
#include <lorapro/adapters/torch/param_state.hpp>
#include <lorapro/adapters/torch/state_layout.hpp>

#include <memory>   // std::make_unique
#include <string>   // std::string
#include <utility>  // std::move, std::pair
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

using ParamGroups = std::vector<torch::optim::OptimizerParamGroup>;

/// Version of what save_states writes.
inline constexpr std::int64_t kArchiveVersion = 2;

template <typename T>
T read_value(torch::serialize::InputArchive& archive, const std::string& key) {
  torch::IValue value;
  if (!archive.try_read(key, value))
    throw StateError("archive: expected one of LoraProOptimizer, got one without " + key);
  return value.to<T>();
}

/// Keys are positions in the groups: addresses and names mean nothing to another process.
inline std::string state_entry(std::size_t group, std::size_t parameter) {
  return "state/" + std::to_string(group) + "/" + std::to_string(parameter);
}

inline std::vector<std::int64_t> role_numbers(const PairTable& pairs,
                                              const torch::optim::OptimizerParamGroup& group) {
  std::vector<std::int64_t> numbers;
  for (const torch::Tensor& parameter : group.params())
    numbers.push_back(static_cast<std::int64_t>(pairs.role_of(parameter)));
  return numbers;
}

inline void save_states(torch::serialize::OutputArchive& archive, const PairTable& pairs,
                        const ParamGroups& groups, StateMap& states) {
  archive.write("lorapro_version", torch::IValue(kArchiveVersion));
  archive.write("groups", torch::IValue(static_cast<std::int64_t>(groups.size())));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    torch::serialize::OutputArchive options(archive.compilation_unit());
    groups[g].options().serialize(options);
    archive.write("options/" + std::to_string(g), options);
    archive.write("roles/" + std::to_string(g), torch::IValue(role_numbers(pairs, groups[g])));
    const auto& parameters = groups[g].params();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (pairs.role_of(parameters[i]) == Role::lora_B) continue;  // its state is lora_A's
      torch::serialize::OutputArchive entry(archive.compilation_unit());
      state_of(states, parameters[i]).serialize(entry);
      archive.write(state_entry(g, i), entry);
    }
  }
}

/// \throws ShapeError unless the state is what the rule keeps of the item; what has not been
/// stepped may lack it.
inline void check_state(const LoraProParamState& state, const Item& item, const std::string& rule,
                        const std::string& entry) {
  const StateLayout layout = state_layout(rule, item);
  const auto fail = [&](const std::string& name, const std::string& expected,
                        const std::string& got) {
    throw ShapeError(entry + "." + name + ": expected " + expected + " for rule " + rule +
                     " of lora_A or parameter " + shape_of(item.A) + ", got " + got);
  };
  for (const auto& [name, shape] : layout) {
    const torch::Tensor tensor = state.tensor(name);
    if (!tensor.defined() && state.step() == 0) continue;
    if (!tensor.defined() || tensor.sizes() != torch::IntArrayRef(shape))
      fail(name, text_of_shape(shape), tensor.defined() ? shape_of(tensor) : "none");
  }
  for (const auto& [name, tensor] : state.tensors())
    if (layout.count(name) == 0) fail(name, "none", shape_of(tensor));
}

/// \throws StateError, ShapeError; nothing has changed then.
inline void load_states(torch::serialize::InputArchive& archive, const PairTable& pairs,
                        ParamGroups& groups, StateMap& states) {
  const auto version = read_value<std::int64_t>(archive, "lorapro_version");
  if (version != kArchiveVersion)
    throw StateError("archive: expected version " + std::to_string(kArchiveVersion) + ", got " +
                     std::to_string(version));
  const auto count = read_value<std::int64_t>(archive, "groups");
  if (count != static_cast<std::int64_t>(groups.size()))
    throw StateError("archive: expected " + std::to_string(groups.size()) +
                     " parameter groups, got " + std::to_string(count));
  std::vector<LoraProOptions> options;
  std::vector<std::pair<torch::Tensor, LoraProParamState>> loaded;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const std::string number = std::to_string(g);
    const auto& present = static_cast<const LoraProOptions&>(groups[g].options());
    options.push_back(present);
    torch::serialize::InputArchive stored;
    archive.read("options/" + number, stored);
    options.back().serialize(stored);
    if (options.back().rule() != present.rule())
      throw StateError("archive: expected rule " + present.rule() + " in group " + number +
                       ", which the optimizer has, got " + options.back().rule());
    options.back().validate();
    if (read_value<std::vector<std::int64_t>>(archive, "roles/" + number) !=
        role_numbers(pairs, groups[g]))
      throw StateError("archive: expected the pairs and parameters of the optimizer in group " +
                       number + ", got others");
    const auto& parameters = groups[g].params();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const Role role = pairs.role_of(parameters[i]);
      if (role == Role::lora_B) continue;
      torch::serialize::InputArchive entry;
      archive.read(state_entry(g, i), entry);
      loaded.emplace_back(parameters[i], LoraProParamState());
      loaded.back().second.serialize(entry);
      Item item{parameters[i], {}, 1.0, {}};
      if (role == Role::lora_A) item.B = pairs.with_A(parameters[i]).lora_B;
      check_state(loaded.back().second, item, present.rule(), state_entry(g, i));
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g)
    groups[g].set_options(std::make_unique<LoraProOptions>(options[g]));
  for (auto& [parameter, state] : loaded) {
    for (auto& named : state.tensors()) named.second = named.second.to(parameter.device());
    state_of(states, parameter) = std::move(state);
  }
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
