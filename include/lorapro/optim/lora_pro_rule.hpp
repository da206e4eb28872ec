// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \name How LoRA-Pro keeps moments
/// @{
struct NoMoments {};       ///< stochastic gradient descent; no state
struct AdapterMoments {};  ///< AdamW on the adjusted gradients: the paper's efficient variant
/// AdamW on the equivalent gradient, in W coordinates: state 2 m n.
/// \tparam Storage  float, double or bfloat16.
template <typename Storage = float>
struct FullMoments {};
/// Adam on the equivalent gradient with a momentum that moves along with the factors and a second
/// moment of rank one: state (m + n) r + m + n.
struct FactoredMoments {};
/// The orthogonal factor of the momentum of the equivalent gradient: state (m + n) r.
struct SpectralMoments {};
/// @}

/// LoRA-Pro with the given moments: the rule of LoraProOptimizer. One header per specialisation.
template <typename Moments>
struct LoraPro {
  static_assert(sizeof(Moments) == 0,
                "LoraPro: Moments must be SpectralMoments, FullMoments<Storage>, FactoredMoments, "
                "AdapterMoments or NoMoments; other rules go to Optimizer<Scalar, Rule>");
};

LORAPRO_NAMESPACE_END
