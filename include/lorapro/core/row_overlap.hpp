// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/view.hpp>

LORAPRO_NAMESPACE_BEGIN

namespace detail {

/// Rows of contiguous memory, at one distance from each other.
struct MemoryRows {
  std::uintptr_t begin = 0;
  std::uintptr_t length = 0;    ///< bytes of a row; 0: nothing
  std::uintptr_t distance = 0;  ///< bytes from row to row
  Index count = 0;

  std::uintptr_t end() const {
    return count == 0 ? begin : begin + static_cast<std::uintptr_t>(count - 1) * distance + length;
  }
};

/// \pre contiguous rows, in ascending order.
template <typename T>
MemoryRows memory_rows(const MatrixView<T>& view) {
  if (view.rows == 0 || view.cols == 0) return {};
  return {reinterpret_cast<std::uintptr_t>(view.data),
          static_cast<std::uintptr_t>(view.cols) * sizeof(T),
          static_cast<std::uintptr_t>(view.row_stride) * sizeof(T), view.rows};
}

/// Whether both have a byte in common. Exact, unlike AddressRange: blocks of columns of one matrix
/// lie apart. \cost O(rows) where the ranges of addresses overlap, else O(1); no heap.
inline bool overlap(const MemoryRows& a, const MemoryRows& b) {
  if (a.count == 0 || b.count == 0 || a.end() <= b.begin || b.end() <= a.begin) return false;
  Index i = 0, k = 0;
  while (i < a.count && k < b.count) {
    const std::uintptr_t at = a.begin + static_cast<std::uintptr_t>(i) * a.distance;
    const std::uintptr_t there = b.begin + static_cast<std::uintptr_t>(k) * b.distance;
    if (at < there + b.length && there < at + a.length) return true;
    // What ends first lies before all further rows of the other.
    if (at < there) {
      ++i;
    } else {
      ++k;
    }
  }
  return false;
}

/// \throws ShapeError if both have a byte in common.
inline void check_apart(const char* name, const MemoryRows& rows, const char* other_name,
                        const MemoryRows& other) {
  if (overlap(rows, other))
    throw ShapeError(std::string(name) + ": expected memory of its own, got memory shared with " +
                     other_name);
}

}  // namespace detail

LORAPRO_NAMESPACE_END
