// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/base_optimizer.hpp>
#include <lorapro/optim/lora_pro_rule.hpp>
#include <lorapro/optim/runtime_rule.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The optimizer: LoRA pairs and dense parameters in, one update rule. Its members are those of
/// BaseOptimizer.
///
/// \code
/// lorapro::LoraProOptimizer<float> optimizer(config);
/// optimizer.attach(layer);                      // any number of layers and shapes
/// ...
/// const auto report = optimizer.step();         // after backpropagation
/// optimizer.zero_grad();
/// \endcode
///
/// \tparam Scalar  float or double: the scalar of the update.
/// \tparam Rule    AdamWRule, SgdRule, MuonRule, LoraPro<Moments>, or a type of your own
/// (rule.hpp).
template <typename Scalar, typename Rule>
class Optimizer : public BaseOptimizer<Scalar> {
  static_assert(detail::check_runtime_rule<Scalar, Rule>());

 public:
  /// \throws ConfigError (a field of config).
  explicit Optimizer(const OptimizerConfig& config = {})
      : BaseOptimizer<Scalar>(runtime_rule<Scalar, Rule>(), config) {}
};

/// LoRA-Pro. \tparam Moments  SpectralMoments, FullMoments<Storage> (the paper's), FactoredMoments,
/// AdapterMoments or NoMoments.
template <typename Scalar, typename Moments = SpectralMoments>
using LoraProOptimizer = Optimizer<Scalar, LoraPro<Moments>>;

LORAPRO_NAMESPACE_END
