// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace examples::llm {

/// Bytes of memory that this program may take at most: what the machine has, or what its control
/// group (of a container, a batch system) allows if that is less. 0 where the system does not say.
std::uint64_t machine_memory();

/// Floating-point operations per second of a matrix product on so many threads, measured in a
/// fraction of a second.
double product_speed(int threads);

}  // namespace examples::llm
