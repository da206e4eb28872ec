// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: LoraView: T must be the optimizer's Scalar, bfloat16 or half
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Element = lorapro::half;
#else
using Element = double;
#endif

void run(lorapro::LoraProOptimizer<float>& optimizer, const lorapro::LoraView<Element>& view) {
  optimizer.attach(view);
}
