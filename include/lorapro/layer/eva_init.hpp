// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/lora_init.hpp>
#include <lorapro/linalg/principal_components.hpp>

LORAPRO_NAMESPACE_BEGIN

/// The initialiser EVA: the rows of A become the leading principal components of the layer's inputs,
/// and B is 0, so that the adapter sees most of what varies in them. W0 is not changed, and may have
/// any format.
///
/// \code
/// PrincipalComponents components(in_features, 2 * rank);
/// for (const auto& x : batches) components.add(x);
/// LoraLayer<float> layer(std::move(W0), config, bias, EvaInit{components});
/// \endcode
///
/// \ref Paischer et al., EVA, arXiv:2410.07170; PEFT, initialize_lora_eva_weights.
struct EvaInit {
  const PrincipalComponents& inputs;
  bool whiten = false;  ///< divide each row by the root of its singular value

  /// \throws ShapeError (features), ConfigError (fewer components than the rank; whitening by a value
  /// of 0).
  template <typename Weight, typename Scalar>
  void operator()(const LoraConfig& config, const Weight& weight, const MatrixView<Scalar>& lora_A,
                  const MatrixView<Scalar>&) const {
    const Eigen::MatrixXd& V = inputs.components();
    if (V.cols() != weight.in_features())
      throw ShapeError("inputs: expected " + std::to_string(weight.in_features()) +
                       " features, as W0 has, got " + std::to_string(V.cols()));
    if (config.rank > V.rows())
      throw ConfigError("rank: expected at most " + std::to_string(V.rows()) +
                        ", the components of the inputs, got " + std::to_string(config.rank));
    const Eigen::VectorXd& values = inputs.singular_values();
    checks::config(!whiten || values(config.rank - 1) > 0, "singular_values",
                   "a number > 0 to whiten by", values(config.rank - 1));
    for (Index k = 0; k < config.rank; ++k) {
      const double length = whiten ? 1 / std::sqrt(values(k)) : 1;
      for (Index j = 0; j < V.cols(); ++j) lora_A(k, j) = static_cast<Scalar>(length * V(k, j));
    }
  }
};

LORAPRO_NAMESPACE_END
