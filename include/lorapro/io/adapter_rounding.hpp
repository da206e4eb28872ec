// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_module.hpp>
#include <lorapro/io/atomic_file.hpp>

#include <cstdio>  // std::snprintf

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// The part of the norm of s B A that writing factors in a type of fewer bits may cost unless a
/// caller allows more: 5 %, six times and more what rounding explains (explained_loss).
inline constexpr double kLargestFactorLoss = 0.05;

/// A module whose s B A in the file is not what it was.
struct LossyModule {
  std::string path;
  double loss = 0;  ///< FactorRounding::loss
};

/// What writing an adapter did beside writing it.
struct AdapterWriteReport {
  std::vector<LossyModule> lossy;     ///< by more than explained_loss of the type
  std::vector<std::string> balanced;  ///< modules where powers of two went between the factors
  Warnings warnings;                  ///< AtomicFile::warnings
};

namespace detail {

/// "0.62 %", of a part of 1.
inline std::string percent_text(double part) {
  if (!is_finite(part)) return "all";
  char text[32];
  std::snprintf(text, sizeof text, "%.2g %%", 100 * part);
  return text;
}

/// Decides how each module's factors are written in a type, before a file is begun.
class ModuleRoundings {
 public:
  /// \param factors  by what each module's lora_B is to be multiplied besides.
  /// \throws ConfigError (a module by its name: a number that is not finite in `type` whatever goes
  /// between the factors, or a loss above `largest`), ShapeError, and what the modules throw.
  ModuleRoundings(const AdapterModules& modules, StorageType type, double largest,
                  const std::vector<double>& factors, AdapterWriteReport& report)
      : factors_(factors) {
    for (std::size_t i = 0; i < modules.size(); ++i) {
      exponents_.emplace_back();
      // What is float already is not rounded to float.
      if (type == StorageType::f64 || (type == StorageType::f32 && factors[i] == 1)) continue;
      const AdapterModule& module = modules[i];
      const RowMatrix<float> A = module.lora_A(), B = module.lora_B();
      check_writable(module, "lora_A", A, StorageType::f32, module.rank, module.in_features);
      check_writable(module, "lora_B", B, StorageType::f32, module.out_features, module.rank);
      RowMatrix<double> scaled = factors[i] * B.cast<double>();
      const FactorRounding rounding = round_factors(A.cast<double>(), scaled, type);
      exponents_.back() = rounding.exponents;
      check_writable(module, "lora_A", lora_A(i, A), type, module.rank, module.in_features);
      check_writable(module, "lora_B", lora_B(i, B), type, module.out_features, module.rank);
      const std::string name(info(dtype_of(type)).name);
      if (!(rounding.loss <= largest))
        throw ConfigError(module.path + ": expected to lose at most " + percent_text(largest) +
                          " of the norm of s B A in " + name + ", got " +
                          percent_text(rounding.loss) +
                          ": take another type, or allow a loss of that size");
      if (!(rounding.loss <= explained_loss(type)))
        report.lossy.push_back({module.path, rounding.loss});
      if (!rounding.exponents.empty()) report.balanced.push_back(module.path);
    }
  }

  /// The factors of module i as they are to be written, except for the rounding.
  RowMatrix<float> lora_A(std::size_t i, const RowMatrix<float>& values) const {
    if (exponents_[i].empty()) return values;
    RowMatrix<double> out = values.cast<double>();
    balance_A(exponents_[i], out);
    return out.cast<float>();
  }
  RowMatrix<float> lora_B(std::size_t i, const RowMatrix<float>& values) const {
    if (exponents_[i].empty() && factors_[i] == 1) return values;
    RowMatrix<double> out = factors_[i] * values.cast<double>();
    balance_B(exponents_[i], out);
    return out.cast<float>();
  }

 private:
  std::vector<double> factors_;
  std::vector<std::vector<int>> exponents_;
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
