// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>
#include <lorapro/optim/sgd_rule.hpp>
#include <stdexcept>

#include "method_optimizer_of_rule.hpp"

namespace examples {

std::unique_ptr<MethodOptimizer> detail::make_baseline(Method method,
                                                       const lorapro::OptimizerConfig& config) {
  switch (method) {
    case Method::lora_adamw:
    case Method::rslora_adamw:
    case Method::loraplus_adamw:
    case Method::full_adamw:
      return optimizer_of_rule<lorapro::AdamWRule>(config);
    case Method::lora_sgd:
      return optimizer_of_rule<lorapro::SgdRule>(config);
    case Method::lora_muon:
    case Method::full_muon:
      return optimizer_of_rule<lorapro::MuonRule>(config);
    default:
      return nullptr;
  }
}

std::unique_ptr<MethodOptimizer> make_optimizer(Method method,
                                                const lorapro::OptimizerConfig& config) {
  auto optimizer = detail::make_baseline(method, config);
  if (optimizer == nullptr) optimizer = detail::make_lora_pro(method, config);
  if (optimizer == nullptr) throw std::logic_error("a method is missing in make_optimizer");
  return optimizer;
}

}  // namespace examples
