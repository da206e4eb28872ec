// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/parameter.hpp>
#include <lorapro/adapters/mpi/replica_check.hpp>

#include <unordered_map>  // std::unordered_map
#include <vector>         // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace mpi {
namespace detail {

/// Collective. \throws ReplicaError, on every rank, unless all ranks attached the same parameters,
/// in the same order, and have the same options.
inline void compare_descriptions(const Communicator& communicator,
                                 const std::vector<Parameter>& parameters,
                                 std::uint64_t hash_of_options) {
  ReplicaCheck::Difference difference{};
  ReplicaCheck whole(communicator, 2);
  whole[0] = parameters.size();
  whole[1] = hash_of_options;
  if (!whole.same(difference))
    throw ReplicaError("rank " + std::to_string(difference.rank) + ": expected the " +
                       (difference.index == 0 ? "number of parameters" : "options") +
                       " that the other ranks have, got others");
  ReplicaCheck each(communicator, parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) each[i] = parameters[i].hash_of_description();
  if (!each.same(difference))
    throw ReplicaError("rank " + std::to_string(difference.rank) +
                       ": expected the parameter that the other ranks have, got \"" +
                       parameters[difference.index].name + "\" or one of another shape");
}

/// What an optimizer that has everything would refuse, and the owners alone cannot see.
/// \param decays_base  decays_base(parameter): whether steps shrink its W0.
/// \cost O(n). \throws ConfigError (two on one W0 of which one decays it).
template <typename DecaysBase>
void require_sole_bases(const std::vector<Parameter>& parameters, const DecaysBase& decays_base) {
  struct Sharing {
    const Parameter* first;
    bool decays;
  };
  std::unordered_map<const void*, Sharing> bases;
  for (const Parameter& parameter : parameters) {
    if (parameter.base_weight == nullptr) continue;
    const bool decays = decays_base(parameter);
    const auto [entry, is_first] =
        bases.emplace(parameter.base_weight, Sharing{&parameter, decays});
    if (is_first) continue;
    entry->second.decays = entry->second.decays || decays;
    if (entry->second.decays)
      throw ConfigError("decay_target: expected a sole W0 for merged decay, got one shared with " +
                        entry->second.first->name);
  }
}

}  // namespace detail
}  // namespace mpi
LORAPRO_NAMESPACE_END
