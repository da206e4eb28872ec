// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: LoraLayer: an initialiser is called as init(config, base_weight, lora_A, lora_B)
#include <lorapro/lorapro.hpp>

using View = lorapro::MatrixView<float>;

#ifdef LORAPRO_CONTROL
struct Init {
  void operator()(const lorapro::LoraConfig&, const lorapro::BaseWeight<float>&, const View&,
                  const View&) const {}
};
#else
struct Init {
  void operator()(const lorapro::LoraConfig&, const View&, const View&) const {}
};
#endif

lorapro::LoraLayer<float> make(const lorapro::BaseWeight<float>& weight) {
  return {weight, {}, nullptr, Init{}};
}
