// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include "adapters/mpi/replica_model.hpp"
#include "support/rule_battery.hpp"

namespace mpi_tests {

/// Whether the states of an owner are those of an optimizer that has everything.
template <typename Local, typename Whole>
bool state_is_part(Local& local, Whole& whole) {
  const Snapshot part = state_of(local), all = state_of(whole);
  for (const auto& [name, bytes] : part)
    if (all.count(name) == 0 || all.at(name) != bytes) return false;
  return true;
}

}  // namespace mpi_tests
