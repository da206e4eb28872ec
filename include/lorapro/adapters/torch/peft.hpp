// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Adapters of a libtorch model to PEFT directories and back. Needs the components lorapro::torch
/// and lorapro::io; adapters/torch.hpp does not include it.

#include <lorapro/adapters/torch/peft_load.hpp>
#include <lorapro/adapters/torch/peft_modules.hpp>
