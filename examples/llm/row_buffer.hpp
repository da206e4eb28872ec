// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/buffer.hpp>
#include <lorapro/core/parallel.hpp>
#include <algorithm>  // std::min

namespace examples::llm {

using lorapro::Index;

template <typename Scalar>
using Rows = Eigen::Map<lorapro::RowMatrix<Scalar>>;
template <typename Scalar>
using ConstRows = Eigen::Map<const lorapro::RowMatrix<Scalar>>;

template <typename Scalar>
ConstRows<Scalar> constant(const Rows<Scalar>& rows) {
  return {rows.data(), rows.rows(), rows.cols()};
}

/// Rows of activations. It grows to the longest batch and then stays, so that a step allocates
/// nothing once such a batch has passed.
template <typename Scalar>
class RowBuffer {
 public:
  RowBuffer() = default;
  explicit RowBuffer(Index cols) : cols_(cols) {}

  /// Room for so many rows. What is in it is lost where it has to grow.
  Rows<Scalar> rows(Index count) {
    data_.reserve(count * cols_);
    return {data_.data(), count, cols_};
  }
  Index bytes() const { return data_.size() * static_cast<Index>(sizeof(Scalar)); }

 private:
  Index cols_ = 0;
  lorapro::Buffer<Scalar> data_;
};

/// Calls body(row) for each of `count` rows, some at a time on each thread.
template <typename Body>
void for_rows(int threads, Index count, const Body& body) {
  constexpr Index kRows = 16;
  lorapro::parallel_for(threads, (count + kRows - 1) / kRows, [&](Index block, int) {
    const Index end = std::min(count, (block + 1) * kRows);
    for (Index row = block * kRows; row < end; ++row) body(row);
  });
}

}  // namespace examples::llm
