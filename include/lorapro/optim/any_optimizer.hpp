// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/base_optimizer.hpp>
#include <lorapro/optim/rules.hpp>

LORAPRO_NAMESPACE_BEGIN

/// An optimizer whose rule is chosen by its name at run time.
///
/// \code
/// lorapro::AnyOptimizer<float> optimizer("lora_pro_spectral", config);
/// optimizer.attach(layer);
/// const auto report = optimizer.step();
/// \endcode
///
/// Every rule is compiled in each translation unit that makes one: keep that behind a function of
/// your own where compile time matters, which may return a BaseOptimizer. Members are those of
/// BaseOptimizer.
/// \tparam Scalar  float or double.
template <typename Scalar>
class AnyOptimizer : public BaseOptimizer<Scalar> {
 public:
  /// \throws ConfigError (no rule of this name; a field of config).
  explicit AnyOptimizer(std::string_view rule, const OptimizerConfig& config = {})
      : BaseOptimizer<Scalar>(runtime_rule<Scalar>(rule), config) {}
};

LORAPRO_NAMESPACE_END
