// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "method_optimizer.hpp"

#include <lorapro/optim/any_optimizer.hpp>

namespace examples {

std::unique_ptr<MethodOptimizer> make_optimizer(Method method,
                                                const lorapro::OptimizerConfig& config) {
  return std::make_unique<lorapro::AnyOptimizer<float>>(info(method).rule, config);
}

}  // namespace examples
