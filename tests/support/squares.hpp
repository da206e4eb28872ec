// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Matrices of tests as the library's small matrices, and back.

#include <lorapro/linalg/arena.hpp>

#include <vector>  // std::vector

#include "support/reference.hpp"

namespace support {

inline lorapro::Square square(lorapro::RowMatrix<double>& matrix) {
  return {matrix.data(), matrix.rows()};
}
inline lorapro::ConstSquare square(const lorapro::RowMatrix<double>& matrix) {
  return {matrix.data(), matrix.rows()};
}

inline reference::RealMatrix real(lorapro::ConstSquare square) {
  reference::RealMatrix out(square.order(), square.order());
  for (lorapro::Index i = 0; i < square.order(); ++i)
    for (lorapro::Index k = 0; k < square.order(); ++k) out(i, k) = square(i, k);
  return out;
}

inline lorapro::Workspace workspace(std::vector<double>& memory) {
  return {memory.data(), static_cast<lorapro::Index>(memory.size())};
}

}  // namespace support
