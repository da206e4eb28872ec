// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>

#include "llama_options.hpp"
#include "model_tensors.hpp"
#include "row_buffer.hpp"

namespace examples::llm {

/// The trained pair of a layer, whatever the layer's W0 is kept in: what optimizers, adapter files
/// and checkpoints need of it.
template <typename Scalar>
class LoraPair {
 public:
  virtual ~LoraPair() = default;

  virtual const lorapro::LoraConfig& config() const = 0;
  virtual Index out_features() const = 0;
  virtual Index in_features() const = 0;
  virtual Rows<Scalar> lora_A() = 0;
  virtual Rows<Scalar> lora_B() = 0;
  virtual Rows<Scalar> grad_A() = 0;
  virtual Rows<Scalar> grad_B() = 0;
  /// For an adapter's file; the pair has to outlive it.
  virtual lorapro::io::AdapterModule module(const std::string& path) const = 0;

  virtual void set_training(bool training) = 0;
  /// \param masks  drawn so far; the next forward pass draws the one after.
  virtual void set_dropout_masks(std::uint64_t masks) = 0;

  Index rank() const { return config().rank; }
  double scaling() const { return config().scaling(); }
  bool merged() const { return false; }
  void zero_grad() {
    grad_A().setZero();
    grad_B().setZero();
  }
  /// As Optimizer::attach takes it.
  lorapro::LoraView<Scalar> view() {
    auto A = lora_A(), B = lora_B(), to_A = grad_A(), to_B = grad_B();
    return {lorapro::make_view(A), lorapro::make_view(B), lorapro::make_view(to_A),
            lorapro::make_view(to_B), scaling()};
  }
};

/// A frozen linear layer of a model, y = x W0^T + bias, with an adapter or without. Results do not
/// depend on the number of threads.
template <typename Scalar>
class Projection {
 public:
  virtual ~Projection() = default;

  virtual Index out_features() const = 0;
  virtual Index in_features() const = 0;
  /// Memory of W0.
  virtual std::size_t base_bytes() const = 0;
  /// \param threads  among which products are split, 1 or more.
  virtual void set_threads(int threads) = 0;
  /// Null where nothing is trained.
  virtual LoraPair<Scalar>* pair() { return nullptr; }

  /// \param[out] y  (batch, out_features), overwritten.
  virtual void forward(const ConstRows<Scalar>& x, Rows<Scalar> y) = 0;
  /// Adds to the gradients of the pair. \param[out] grad_x  overwritten.
  virtual void backward(const ConstRows<Scalar>& x, const ConstRows<Scalar>& grad_y,
                        Rows<Scalar> grad_x) = 0;
  /// As above, where nothing below is trained.
  virtual void backward(const ConstRows<Scalar>& x, const ConstRows<Scalar>& grad_y) = 0;

  /// A row of W0: what an embedding stands for.
  virtual void read_row(Index row, Scalar* out) const = 0;
};

/// The layer of the tensors `name`.weight and, where the model has one, `name`.bias.
/// \param lora  of its adapter, or nothing.
/// \throws lorapro::ConfigError for numbers that are not finite in the format.
template <typename Scalar>
std::unique_ptr<Projection<Scalar>> make_projection(const ModelTensors& tensors,
                                                    const std::string& name, BaseFormat format,
                                                    const std::optional<lorapro::LoraConfig>& lora);

}  // namespace examples::llm
