// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/layer/gradient_aligned_init.hpp>
#include <utility>
#include <vector>

#include "../nn/linear.hpp"

namespace examples {

/// Starts the adapters of a model along the gradient of one batch, by
/// lorapro::GradientAlignedInit. What they have learned so far goes into the weights behind them.
class AlignedRestart {
 public:
  using Layer = nn::Linear<float>;

  /// To be called before the backward pass of the batch.
  /// \param layers  those without an adapter, such as a head, are left alone.
  explicit AlignedRestart(const std::vector<Layer*>& layers) {
    for (Layer* const layer : layers) {
      if (!layer->adapter()) continue;
      layers_.push_back({layer, layer->watches_weight_gradient()});
      layer->watch_weight_gradient(true);
    }
  }

  /// To be called after it, before the step: the gradients become those at the new A and B.
  void apply() {
    for (const auto& [layer, stays_watched] : layers_) {
      auto& adapter = *layer->adapter();
      const Layer::Matrix& G = layer->weight_gradient();
      adapter.restart(lorapro::GradientAlignedInit<float>(lorapro::make_view(G)));
      // That of A, s B^T G, is 0.
      adapter.grad_B() = static_cast<float>(adapter.scaling()) * G * adapter.lora_A().transpose();
      if (!stays_watched) layer->watch_weight_gradient(false);
    }
  }

 private:
  struct Watched {
    Layer* layer;
    bool before;  // by somebody else
  };
  std::vector<Watched> layers_;
};

}  // namespace examples
