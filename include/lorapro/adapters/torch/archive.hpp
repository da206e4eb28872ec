// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/torch/options.hpp>
#include <lorapro/adapters/torch/pairs.hpp>
#include <lorapro/adapters/torch/param_state.hpp>

#include <memory>   // std::make_unique
#include <string>   // std::string
#include <utility>  // std::move
#include <vector>   // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

/// What a parameter is to the optimizer.
struct Role {
  enum Kind : std::int64_t { plain, lora_A, lora_B };
  Kind kind;
  std::int64_t out_features;  ///< of a lora_A's pair
};

/// Version of what save_states writes.
inline constexpr std::int64_t kArchiveVersion = 1;

template <typename T>
T read_value(torch::serialize::InputArchive& archive, const std::string& key) {
  torch::IValue value;
  if (!archive.try_read(key, value))
    throw StateError("archive: expected one of LoraProAdamW, got one without " + key);
  return value.to<T>();
}

/// Keys are positions in the groups: addresses and names mean nothing to another process.
inline std::string state_entry(std::size_t group, std::size_t parameter) {
  return "state/" + std::to_string(group) + "/" + std::to_string(parameter);
}

inline void save_states(torch::serialize::OutputArchive& archive,
                        const std::vector<std::vector<Role>>& roles,
                        const std::vector<torch::optim::OptimizerParamGroup>& groups,
                        StateMap& states) {
  archive.write("lorapro_version", torch::IValue(kArchiveVersion));
  archive.write("groups", torch::IValue(static_cast<std::int64_t>(groups.size())));
  for (std::size_t g = 0; g < groups.size(); ++g) {
    torch::serialize::OutputArchive options(archive.compilation_unit());
    groups[g].options().serialize(options);
    archive.write("options/" + std::to_string(g), options);
    std::vector<std::int64_t> kinds;
    for (const Role& role : roles[g]) kinds.push_back(role.kind);
    archive.write("roles/" + std::to_string(g), torch::IValue(kinds));
    for (std::size_t i = 0; i < roles[g].size(); ++i) {
      torch::serialize::OutputArchive entry(archive.compilation_unit());
      state_of(states, groups[g].params()[i]).serialize(entry);
      archive.write(state_entry(g, i), entry);
    }
  }
}

/// \throws ShapeError unless the state fits the parameter under these moments.
inline void check_state(LoraProAdamWParamState& state, const torch::Tensor& parameter,
                        const Role& role, Moments moments, const std::string& entry) {
  std::vector<std::int64_t> shape = parameter.sizes().vec();
  bool first = true, second = role.kind == Role::plain || moments != Moments::spectral;
  if (role.kind != Role::plain && moments == Moments::full) {
    first = second = role.kind == Role::lora_A;
    shape = {role.out_features, parameter.size(1)};
  }
  const auto check = [&](const torch::Tensor& tensor, const char* name, bool expected,
                         const std::vector<std::int64_t>& sizes) {
    if (!tensor.defined() && (!expected || state.step() == 0)) return;
    if (!tensor.defined() || !expected || tensor.sizes() != torch::IntArrayRef(sizes))
      throw ShapeError(entry + "." + name + ": expected " +
                       (expected
                            ? "the shape of parameter " + shape_of(parameter) + " or of its moments"
                            : std::string("none")) +
                       ", got " + (tensor.defined() ? shape_of(tensor) : "none"));
  };
  check(state.exp_avg(), "exp_avg", first, shape);
  check(state.exp_avg_sq(), "exp_avg_sq", second, shape);
  const bool low =
      parameter.scalar_type() == torch::kBFloat16 || parameter.scalar_type() == torch::kHalf;
  check(state.master(), "master", low, parameter.sizes().vec());
}

/// \throws StateError, ShapeError; nothing has changed then.
inline void load_states(torch::serialize::InputArchive& archive,
                        const std::vector<std::vector<Role>>& roles,
                        std::vector<torch::optim::OptimizerParamGroup>& groups, StateMap& states) {
  const auto version = read_value<std::int64_t>(archive, "lorapro_version");
  if (version != kArchiveVersion)
    throw StateError("archive: expected version " + std::to_string(kArchiveVersion) + ", got " +
                     std::to_string(version));
  const auto count = read_value<std::int64_t>(archive, "groups");
  if (count != static_cast<std::int64_t>(groups.size()))
    throw StateError("archive: expected " + std::to_string(groups.size()) +
                     " parameter groups, got " + std::to_string(count));
  std::vector<LoraProAdamWOptions> options;
  std::vector<std::vector<LoraProAdamWParamState>> loaded(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& present = static_cast<const LoraProAdamWOptions&>(groups[g].options());
    options.push_back(present);
    torch::serialize::InputArchive stored;
    archive.read("options/" + std::to_string(g), stored);
    options.back().serialize(stored);
    options.back().validate();
    if (options.back().moments() != present.moments())
      throw StateError("archive: expected the moments of the optimizer in group " +
                       std::to_string(g) + ", got others");
    const auto kinds = read_value<std::vector<std::int64_t>>(archive, "roles/" + std::to_string(g));
    bool same = kinds.size() == roles[g].size();
    for (std::size_t i = 0; same && i < kinds.size(); ++i) same = kinds[i] == roles[g][i].kind;
    if (!same)
      throw StateError("archive: expected the pairs and parameters of the optimizer in group " +
                       std::to_string(g) + ", got others");
    for (std::size_t i = 0; i < roles[g].size(); ++i) {
      torch::serialize::InputArchive entry;
      archive.read(state_entry(g, i), entry);
      loaded[g].emplace_back();
      loaded[g].back().serialize(entry);
      check_state(loaded[g].back(), groups[g].params()[i], roles[g][i], present.moments(),
                  state_entry(g, i));
    }
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    groups[g].set_options(std::make_unique<LoraProAdamWOptions>(options[g]));
    for (std::size_t i = 0; i < loaded[g].size(); ++i) {
      const torch::Tensor& parameter = groups[g].params()[i];
      LoraProAdamWParamState& state = state_of(states, parameter);
      state = loaded[g][i];
      LoraProAdamWParamState::for_each_tensor(state, [&](const char*, torch::Tensor& tensor) {
        if (tensor.defined()) tensor = tensor.to(parameter.device());
      });
    }
  }
}

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
