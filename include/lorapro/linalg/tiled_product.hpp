// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/parallel.hpp>
#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Size of a tile of the right factor: 96 kB, which stay in the second-level cache while all rows
/// of the left factor pass. The width is a multiple of every register tile of product.hpp.
template <typename Scalar>
inline constexpr Index kTileDepth = 512 / static_cast<Index>(sizeof(Scalar));
inline constexpr Index kTileWidth = 192;

/// Rows that are transposed at a time.
inline constexpr Index kTransposedRows = 16;

/// Elements of scratch that a tile needs, together with the rows it is transposed from.
template <typename Scalar>
inline constexpr Index kTileScratch = kTileDepth<Scalar>*(kTileWidth + kTransposedRows);

namespace detail {

/// out(k, i) = rows(i, k).
/// \param rows      (count, length), count <= kTransposedRows, `stride` apart.
/// \param[out] out  (length, count), `out_stride` apart.
template <typename Scalar>
void transpose_rows(const Scalar* rows, Index stride, Index count, Index length, Scalar* out,
                    Index out_stride) {
  if (count == kTransposedRows) {
    for (Index k = 0; k < length; ++k) {
      LORAPRO_UNROLL
      for (Index i = 0; i < kTransposedRows; ++i) out[k * out_stride + i] = rows[i * stride + k];
    }
    return;
  }
  for (Index k = 0; k < length; ++k)
    for (Index i = 0; i < count; ++i) out[k * out_stride + i] = rows[i * stride + k];
}

}  // namespace detail

/// Tiles of a matrix in memory. Its columns, or its rows, must be contiguous: a row-major matrix
/// is used where it is, a transposed one is copied tile by tile.
template <typename Scalar>
class ViewTiles {
 public:
  explicit ViewTiles(const MatrixView<const Scalar>& matrix) : matrix_(matrix) {}

  Index depth() const { return matrix_.rows; }
  Index width() const { return matrix_.cols; }

  Panel<const Scalar> operator()(Index row, Index depth, Index col, Index width,
                                 Scalar* scratch) const {
    const Scalar* const first = &matrix_(row, col);
    if (matrix_.col_stride == 1) return {first, matrix_.row_stride};
    for (Index i = 0; i < width; i += kTransposedRows)
      detail::transpose_rows(first + i * matrix_.col_stride, matrix_.col_stride,
                             (std::min)(kTransposedRows, width - i), depth, scratch + i, width);
    return {scratch, width};
  }

 private:
  MatrixView<const Scalar> matrix_;
};

/// Products of a matrix with one that is made tile by tile, and their workspace. `Tiles` has
/// depth(), width() and
///
///     Panel<const Scalar> operator()(row, depth, col, width, scratch)
///
/// which returns the block that begins at (row, col), of at most kTileDepth<Scalar> rows and
/// kTileWidth columns, in place or in the kTileScratch<Scalar> elements of `scratch`. It is called
/// by several threads. An element of the result is summed in one order, whatever the number of
/// threads and whichever thread it meets, so the bits do not depend on them.
///
/// \cost 2 rows depth width flops; every tile is made once, or a few times where there are more
///       threads than strips of kTileWidth columns. kTileScratch + 6144 scalars per thread, from
///       the heap at the first call with so many threads.
template <typename Scalar>
class TiledProduct {
 public:
  /// out = left right.
  /// \param left      (rows, depth), any strides.
  /// \param[out] out  (rows, width), contiguous rows; must not overlap the factors.
  /// \param threads   >= 1.
  template <typename Tiles>
  void assign(const MatrixView<const Scalar>& left, const Tiles& right,
              const MatrixView<Scalar>& out, int threads) {
    if (right.depth() == 0) {
      for (Index i = 0; i < out.rows; ++i) Row(&out(i, 0), out.cols).setZero();
      return;
    }
    for_each_task(left, right, threads, [&](const Task& task, Scalar* scratch) {
      multiply(left, right, task, &out(task.row, task.col), out.row_stride, scratch);
    });
  }

  /// out += alpha left right, rounded once: the product is summed before it is added.
  template <typename Tiles>
  void add(Scalar alpha, const MatrixView<const Scalar>& left, const Tiles& right,
           const MatrixView<Scalar>& out, int threads) {
    if (right.depth() == 0) return;
    for_each_task(left, right, threads, [&](const Task& task, Scalar* scratch) {
      Scalar* const sum = scratch + kTileScratch<Scalar>;
      for (Index done = 0; done < task.rows; done += kSumRows) {
        const Task part{task.row + done, (std::min)(kSumRows, task.rows - done), task.col,
                        task.cols};
        multiply(left, right, part, sum, kTileWidth, scratch);
        for (Index i = 0; i < part.rows; ++i)
          Row(&out(part.row + i, part.col), part.cols) +=
              alpha * Row(sum + i * kTileWidth, part.cols);
      }
    });
  }

 private:
  using Row = Eigen::Map<Eigen::Array<Scalar, 1, Eigen::Dynamic>>;

  /// Rows whose sums are kept apart in add. A multiple of the rows of a register tile, so that it
  /// makes no difference where the rows are divided.
  static constexpr Index kSumRows = 32;
  static constexpr Index kScratch = kTileScratch<Scalar> + kSumRows * kTileWidth;
  /// Multiplications (some ten microseconds) below which waking threads up costs more than it
  /// saves.
  static constexpr double kTeamWork = 1 << 19;

  /// A block of the result, at most kTileWidth columns wide.
  struct Task {
    Index row, rows, col, cols;
  };

  template <typename Tiles, typename Body>
  void for_each_task(const MatrixView<const Scalar>& left, const Tiles& right, int threads,
                     const Body& body) {
    const Index rows = left.rows, width = right.width();
    if (rows == 0 || width == 0) return;
    const double work =
        static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(right.depth());
    const int team = work < kTeamWork ? 1 : threads;
    const Index strips = quotient(width, kTileWidth);
    // Rows are divided only where threads would have nothing to do: tiles are made anew for each.
    const Index blocks =
        team == 1 ? 1 : (std::min)(quotient(2 * team, strips), quotient(rows, kSumRows));
    const Index height = quotient(quotient(rows, blocks), kSumRows) * kSumRows;
    const Index tall = quotient(rows, height);
    scratch_.reserve(team * kScratch);
    parallel_for(team, strips * tall, [&](Index index, int thread) {
      const Index row = index / strips * height, col = index % strips * kTileWidth;
      body(Task{row, (std::min)(height, rows - row), col, (std::min)(kTileWidth, width - col)},
           scratch_.data() + thread * kScratch);
    });
  }

  static Index quotient(Index count, Index size) { return (count + size - 1) / size; }

  template <typename Tiles>
  static void multiply(const MatrixView<const Scalar>& left, const Tiles& right, const Task& task,
                       Scalar* out, Index out_stride, Scalar* scratch) {
    for (Index k = 0; k < right.depth(); k += kTileDepth<Scalar>) {
      const Index depth = (std::min)(kTileDepth<Scalar>, right.depth() - k);
      const Panel<const Scalar> tile = right(k, depth, task.col, task.cols, scratch);
      panel_product(&left(task.row, k), left.row_stride, left.col_stride, task.rows, depth,
                    tile.data, tile.stride, task.cols, out, out_stride, k > 0);
    }
  }

  Buffer<Scalar> scratch_;
};

LORAPRO_NAMESPACE_END
