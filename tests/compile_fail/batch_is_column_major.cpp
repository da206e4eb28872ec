// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: a batch must be row-major with contiguous rows
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
constexpr int kOrder = Eigen::RowMajor;
#else
constexpr int kOrder = Eigen::ColMajor;
#endif

using Batch = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, kOrder>;

void run(lorapro::LoraLayer<float>& layer, const Batch& x, lorapro::RowMatrix<float>& y) {
  layer.forward(x, y);
}
