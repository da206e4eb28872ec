// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/row_overlap.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Batches of examples, one a row, in callers' Eigen matrices, and the memory that they must not
/// share with a layer.

namespace detail {

/// View of a batch: no copy, whatever the distance of its rows.
template <typename Scalar, typename Matrix>
auto batch_view(Matrix&& matrix) {
  using Plain = std::remove_const_t<std::remove_reference_t<Matrix>>;
  static_assert(std::is_same_v<typename Plain::Scalar, Scalar>,
                "a batch must have the layer's Scalar");
  static_assert((Plain::Flags & Eigen::DirectAccessBit) != 0,
                "a batch must have memory of its own: evaluate the expression first");
  static_assert(Plain::IsRowMajor && Plain::InnerStrideAtCompileTime == 1,
                "a batch must be row-major with contiguous rows");
  auto& m = matrix.derived();
  using Element = std::remove_pointer_t<decltype(m.data())>;
  return MatrixView<Element>{m.data(), m.rows(), m.cols(), m.outerStride(), 1};
}

/// Whether a batch that is to be written can be given its size: a matrix, not a block or a map.
template <typename Matrix>
inline constexpr bool is_resizable_v =
    std::is_base_of_v<Eigen::PlainObjectBase<std::remove_reference_t<Matrix>>,
                      std::remove_reference_t<Matrix>>&&
        std::remove_reference_t<Matrix>::RowsAtCompileTime ==
    Eigen::Dynamic&& std::remove_reference_t<Matrix>::ColsAtCompileTime == Eigen::Dynamic;

/// \throws ShapeError if the batch neither has the shape nor can be given it.
template <typename Matrix>
void check_shape_or_resizable(const char* name, const Matrix& matrix, Index rows, Index cols) {
  if constexpr (!is_resizable_v<Matrix>)
    checks::shape(name, matrix.rows(), matrix.cols(), rows, cols);
}

/// View of a batch that is to be written, which has the shape or is given it now.
template <typename Scalar, typename Matrix>
MatrixView<Scalar> sized_batch_view(Matrix&& matrix, Index rows, Index cols) {
  if constexpr (is_resizable_v<Matrix>) matrix.resize(rows, cols);
  return batch_view<Scalar>(matrix);
}

/// Memory of a layer's own, or of a vector that it maps, which may be null.
template <typename T>
MemoryRows memory_row(const T* data, Index size) {
  return memory_rows(MatrixView<const T>{data, 1, data == nullptr ? 0 : size, size, 1});
}
template <typename T>
MemoryRows memory_row(const Buffer<T>& buffer) {
  return memory_row(buffer.data(), buffer.size());
}

/// Adds a vector of batch.cols elements, or nothing if it is null, to each row.
template <typename Scalar>
void add_to_rows(const Scalar* vector, const MatrixView<Scalar>& batch) {
  if (vector == nullptr) return;
  using Row = Eigen::Array<Scalar, 1, Eigen::Dynamic>;
  const Eigen::Map<const Row> added(vector, batch.cols);
  for (Index i = 0; i < batch.rows; ++i) Eigen::Map<Row>(&batch(i, 0), batch.cols) += added;
}

/// out(i, j) = scales(j) batch(i, j)
template <typename Scalar>
void scale_columns(const Scalar* scales, const MatrixView<const Scalar>& batch,
                   const MatrixView<Scalar>& out) {
  using Row = Eigen::Array<Scalar, 1, Eigen::Dynamic>;
  const Eigen::Map<const Row> factors(scales, batch.cols);
  for (Index i = 0; i < batch.rows; ++i)
    Eigen::Map<Row>(&out(i, 0), batch.cols) =
        factors * Eigen::Map<const Row>(&batch(i, 0), batch.cols);
}

}  // namespace detail

LORAPRO_NAMESPACE_END
