// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: a batch must have memory of its own: evaluate the expression first
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Batch = lorapro::RowMatrix<float>;
#else
#define Batch const auto
#endif

void run(lorapro::LoraLayer<float>& layer, const lorapro::RowMatrix<float>& x,
         lorapro::RowMatrix<float>& y) {
  Batch doubled = 2.0f * x;
  layer.forward(doubled, y);
}
