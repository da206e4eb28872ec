// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/io/checkpoint.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/optim/base_optimizer.hpp>
#include <memory>

#include "method.hpp"

namespace examples {

/// The optimizer of a method that is chosen at run time. The rules are templates, compiled once for
/// all programs in method_optimizer.cpp.
using MethodOptimizer = lorapro::BaseOptimizer<float>;

/// \throws lorapro::ConfigError (a field of config).
std::unique_ptr<MethodOptimizer> make_optimizer(Method method,
                                                const lorapro::OptimizerConfig& config);

}  // namespace examples
