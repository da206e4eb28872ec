// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: attach: expected a LoraView, a DenseView or a layer for which lora_views(layer) returns a LoraView or a range of them
#include <lorapro/lorapro.hpp>

namespace mine {

struct Layer {
  lorapro::LoraView<float> pair;
};

#ifdef LORAPRO_CONTROL
lorapro::LoraView<float> lora_views(Layer& layer) { return layer.pair; }
#endif

}  // namespace mine

void run(lorapro::LoraProOptimizer<float>& optimizer, mine::Layer& layer) {
  optimizer.attach(layer);
}
