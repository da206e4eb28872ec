// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "bench/naive/adjust.hpp"

namespace naive {

template Steps<float> adjust(const Matrix<float>&, const Matrix<float>&, const Matrix<float>&,
                             const Matrix<float>&, double);
template Steps<double> adjust(const Matrix<double>&, const Matrix<double>&, const Matrix<double>&,
                              const Matrix<double>&, double);

}  // namespace naive
