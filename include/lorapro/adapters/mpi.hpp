// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Data-parallel training over MPI: all of adapters/mpi/ but sharded_checkpoint.hpp, which needs
/// the component io besides.

#include <lorapro/adapters/mpi/distributed_optimizer.hpp>
