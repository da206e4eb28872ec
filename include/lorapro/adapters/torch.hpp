// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// LoRA-Pro inside libtorch, 1.13 or newer: torch_adapter::LoraProOptimizer, an optimizer, and
/// torch_adapter::LoraLinear with inject_lora, a module. The component lorapro::torch of the CMake
/// package. docs/libtorch.md says how to adopt it.

#include <lorapro/adapters/torch/inject.hpp>
#include <lorapro/adapters/torch/lora_linear.hpp>
#include <lorapro/adapters/torch/optimizer.hpp>
