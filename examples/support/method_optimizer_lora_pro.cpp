// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/lorapro.hpp>

#include "method_optimizer_of_rule.hpp"

namespace examples {

std::unique_ptr<MethodOptimizer> detail::make_lora_pro(Method method,
                                                       const lorapro::OptimizerConfig& config) {
  using lorapro::LoraPro;
  switch (method) {
    case Method::lora_pro_sgd:
      return optimizer_of_rule<LoraPro<lorapro::NoMoments>>(config);
    case Method::lora_pro_efficient:
      return optimizer_of_rule<LoraPro<lorapro::AdapterMoments>>(config);
    case Method::lora_pro_full:
      return optimizer_of_rule<LoraPro<lorapro::FullMoments<float>>>(config);
    case Method::lora_pro_factored:
      return optimizer_of_rule<LoraPro<lorapro::FactoredMoments>>(config);
    case Method::lora_pro_spectral:
      return optimizer_of_rule<LoraPro<lorapro::SpectralMoments>>(config);
    default:
      return nullptr;
  }
}

}  // namespace examples
