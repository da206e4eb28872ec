// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>

#include <map>  // std::map

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

/// llama.cpp scales every module by alpha / rank with one alpha for all: modules whose scaling
/// times rank is another number need their lora_B multiplied by what is left.
class GgufScales {
 public:
  explicit GgufScales(const AdapterModules& modules) {
    std::map<float, std::size_t> counts;
    for (const AdapterModule& module : modules) {
      const auto alpha = static_cast<float>(alpha_of(module));
      // An alpha of 0 would be taken for a scale of 1.
      if (is_finite(static_cast<double>(alpha)) && std::abs(alpha) >= 1e-30F) ++counts[alpha];
    }
    std::size_t most = 0;
    for (const auto& [alpha, count] : counts)
      if (count > most) {
        most = count;
        alpha_ = alpha;
      }
  }

  /// The common alpha: the one that leaves most modules as they are.
  float alpha() const { return alpha_; }

  /// By what to multiply a module's lora_B. Exactly 1 where nothing but the rounding of alpha to
  /// float is left.
  double factor(const AdapterModule& module) const {
    const double wanted = alpha_of(module);
    return static_cast<float>(wanted) == alpha_ ? 1.0 : wanted / static_cast<double>(alpha_);
  }

 private:
  static double alpha_of(const AdapterModule& module) {
    return module.scaling() * static_cast<double>(module.rank);
  }

  float alpha_ = 1;
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
