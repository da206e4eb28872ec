// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/dora_layer.hpp>
#include <lorapro/layer/eva_init.hpp>
#include <lorapro/layer/lora_ga_init.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/lora_one_init.hpp>
#include <lorapro/layer/olora_init.hpp>
#include <lorapro/layer/pissa_init.hpp>

#include <string>

#include "reference_case.hpp"

namespace example {

/// The largest deviation from tensors of a case, each relative to its norm, or 1 where that is 0.
/// NaN if one is.
class CaseDeviation {
 public:
  explicit CaseDeviation(const ReferenceCase& reference) : reference_(&reference) {}

  template <typename Derived>
  void add(const std::string& name, const Eigen::MatrixBase<Derived>& actual) {
    const auto expected = reference_->matrix(name, actual.rows(), actual.cols());
    const double norm = expected.norm();
    value_ =
        larger(value_, (actual.template cast<double>() - expected).norm() / (norm > 0 ? norm : 1));
  }

  double value() const { return value_; }

 private:
  const ReferenceCase* reference_;
  double value_ = 0;
};

/// A, B and, where it changes, W0 of a layer that starts so.
template <typename Scalar, typename Initializer>
double replay_start(const ReferenceCase& reference, const lorapro::RowMatrix<Scalar>& W0,
                    const Initializer& init) {
  const lorapro::LoraLayer<Scalar> layer(lorapro::BaseWeight<Scalar>::own(W0), reference.config(),
                                         nullptr, init);
  CaseDeviation deviation(reference);
  deviation.add("A", layer.lora_A());
  deviation.add("B", layer.lora_B());
  if (reference.has("W_new")) deviation.add("W_new", layer.base_weight().matrix());
  return deviation.value();
}

/// Of the inputs x_0, x_1 and so on.
template <typename Scalar>
double replay_eva(const ReferenceCase& reference, const lorapro::RowMatrix<Scalar>& W0) {
  lorapro::PrincipalComponents inputs(W0.cols(), reference.size("components"));
  const lorapro::Index batches = reference.size("batches");
  for (lorapro::Index batch = 0; batch < batches; ++batch)
    inputs.add(reference.matrix_of<Scalar>("x_" + std::to_string(batch)));
  return replay_start<Scalar>(reference, W0, lorapro::EvaInit{inputs});
}

/// Outputs, gradients and the merged weight.
template <typename Scalar>
double replay_dora(const ReferenceCase& reference) {
  const auto W0 = reference.matrix_of<Scalar>("W0");
  const auto config = reference.config();
  const lorapro::RowMatrix<Scalar> bias =
      reference.matrix("bias", 1, W0.rows()).template cast<Scalar>();
  lorapro::DoraLayer<Scalar> layer(lorapro::BaseWeight<Scalar>::own(W0), config, bias.data());
  CaseDeviation deviation(reference);
  layer.lora_A() = reference.matrix("A", config.rank, W0.cols()).template cast<Scalar>();
  layer.lora_B() = reference.matrix("B", W0.rows(), config.rank).template cast<Scalar>();
  // A new layer has B = 0.
  if (layer.lora_B().isZero(0)) deviation.add("magnitude_init", layer.magnitude());
  layer.magnitude() = reference.matrix("magnitude", 1, W0.rows()).template cast<Scalar>();
  const auto x = reference.matrix_of<Scalar>("x"), grad_y = reference.matrix_of<Scalar>("grad_y");
  lorapro::RowMatrix<Scalar> y, grad_x;
  layer.forward(x, y);
  layer.backward(x, grad_y, grad_x);
  deviation.add("y", y);
  deviation.add("grad_x", grad_x);
  deviation.add("grad_A", layer.grad_A());
  deviation.add("grad_B", layer.grad_B());
  deviation.add("grad_magnitude", layer.grad_magnitude());
  layer.merge();
  deviation.add("W_merged", layer.base_weight().matrix());
  return deviation.value();
}

/// Replays a case of any kind: the largest deviation of what comes out of it.
template <typename Scalar>
double replay_case(const ReferenceCase& reference) {
  const std::string& kind = reference.file().metadata("kind");
  if (kind == "dora") return replay_dora<Scalar>(reference);
  using Matrix = lorapro::RowMatrix<Scalar>;
  const Matrix W0 = reference.has("W")
                        ? reference.matrix_of<Scalar>("W")
                        : Matrix::Zero(reference.matrix("B").rows(), reference.matrix("A").cols());
  if (kind == "pissa") return replay_start(reference, W0, lorapro::PissaInit{});
  if (kind == "olora") return replay_start(reference, W0, lorapro::OLoraInit{});
  if (kind == "eva_exact" || kind == "eva_truncated") return replay_eva(reference, W0);
  if (kind != "lora_ga" && kind != "lora_one")
    fail(reference.file(), "has the unknown kind " + kind);
  const Matrix G = reference.matrix_of<Scalar>("G");
  const double gamma = reference.number("gamma");
  if (kind == "lora_one")
    return replay_start(reference, W0, lorapro::LoraOneInit<Scalar>{lorapro::make_view(G), gamma});
  if (reference.file().metadata("direction") != "ArB2r" ||
      reference.file().metadata("scale") != "stable")
    fail(reference.file(), "expected the direction ArB2r and the scale stable");
  return replay_start(reference, W0, lorapro::LoraGaInit<Scalar>{lorapro::make_view(G), gamma});
}

}  // namespace example
