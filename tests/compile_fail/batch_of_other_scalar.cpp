// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: a batch must have the layer's Scalar
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Scalar = float;
#else
using Scalar = double;
#endif

void run(lorapro::LoraLayer<float>& layer, const lorapro::RowMatrix<Scalar>& x,
         lorapro::RowMatrix<Scalar>& y) {
  layer.forward(x, y);
}
