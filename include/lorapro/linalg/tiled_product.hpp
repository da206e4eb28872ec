// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/parallel.hpp>
#include <lorapro/linalg/panel.hpp>
#include <lorapro/linalg/product.hpp>

#include <algorithm>  // std::copy_n, std::min

LORAPRO_NAMESPACE_BEGIN

/// Size of a tile of the right factor: 288 kB, which stay in the second-level cache while all rows
/// of the left factor pass. Deep, since the result is read and written once for each tile. The width
/// is a multiple of every register tile of product.hpp.
template <typename Scalar>
inline constexpr Index kTileDepth = 1536 / static_cast<Index>(sizeof(Scalar));
inline constexpr Index kTileWidth = 192;

/// Rows that are transposed at a time.
inline constexpr Index kTransposedRows = 16;

/// Elements of scratch that a tile needs, together with the rows it is transposed from.
template <typename Scalar>
inline constexpr Index kTileScratch = kTileDepth<Scalar>*(kTileWidth + kTransposedRows);

namespace detail {

/// Whether vectors of as many elements of a matrix, this far apart, fall into so few sets of a cache
/// that they drive each other out: a multiple of a kilobyte.
template <typename Scalar>
bool shares_cache_sets(Index stride) {
  return stride * static_cast<Index>(sizeof(Scalar)) % 1024 == 0;
}

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

/// Products of a matrix with one that is made tile by tile. `Tiles` has depth(), width() and
///
///     Panel<const Scalar> operator()(row, depth, col, width, scratch)
///
/// which returns the block that begins at (row, col), of at most kTileDepth<Scalar> rows and
/// kTileWidth columns, in place or in the kTileScratch<Scalar> elements of `scratch`. It is called
/// by several threads, and multiplies by other means. An element of the result is summed in one
/// order, whatever the number of threads and whichever thread it meets, so the bits do not depend on
/// them.
///
/// \cost 2 rows depth width flops; every tile is made once, or a few times where there are more
///       threads than strips of kTileWidth columns. The workspace, 456 kB per thread (504
///       in double), belongs to the thread that calls: all its products share it, the first one with
///       so many threads takes it from the heap, and it goes when the thread ends.
template <typename Scalar>
struct TiledProduct {
  /// out = left right.
  /// \param left      (rows, depth), any strides.
  /// \param[out] out  (rows, width), contiguous rows; must not overlap the factors.
  /// \param threads   >= 1.
  template <typename Tiles>
  static void assign(const MatrixView<const Scalar>& left, const Tiles& right,
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
  static void add(Scalar alpha, const MatrixView<const Scalar>& left, const Tiles& right,
                  const MatrixView<Scalar>& out, int threads) {
    if (right.depth() == 0) return;
    for_each_task(left, right, threads, [&](const Task& task, Scalar* scratch) {
      Scalar* const sum = scratch + kTileScratch<Scalar> + kPackedSize;
      const bool is_one_tile = right.depth() <= kTileDepth<Scalar>;
      Panel<const Scalar> tile{};
      if (is_one_tile) tile = tile_of(right, 0, right.depth(), task, scratch);
      for (Index done = 0; done < task.rows; done += kBlockRows) {
        const Task part{task.row + done, (std::min)(kBlockRows, task.rows - done), task.col,
                        task.cols};
        if (is_one_tile) {
          multiply_tile(left, 0, right.depth(), tile, part, sum, kTileWidth, scratch);
        } else {
          multiply(left, right, part, sum, kTileWidth, scratch);
        }
        for (Index i = 0; i < part.rows; ++i)
          Row(&out(part.row + i, part.col), part.cols) +=
              alpha * Row(sum + i * kTileWidth, part.cols);
      }
    });
  }

 private:
  using Row = Eigen::Map<Eigen::Array<Scalar, 1, Eigen::Dynamic>>;

  /// Rows that pass under all of a tile before the next ones do, and whose sums are kept apart in
  /// add. A multiple of the rows of a register tile, so that it makes no difference where the rows
  /// are divided.
  static constexpr Index kBlockRows = 64;
  static constexpr Index kPackedSize = kBlockRows * kTileDepth<Scalar>;
  static constexpr Index kScratch = kTileScratch<Scalar> + kPackedSize + kBlockRows * kTileWidth;
  /// From how many rows it pays to copy a tile that does not suit the caches, and from how many
  /// columns the left factor's rows.
  static constexpr Index kRowsForTile = 8, kColsForRows = 32;
  /// Multiplications (some ten microseconds) below which waking threads up costs more than it
  /// saves.
  static constexpr double kTeamWork = 1 << 19;

  /// A block of the result, at most kTileWidth columns wide.
  struct Task {
    Index row, rows, col, cols;
  };

  template <typename Tiles, typename Body>
  static void for_each_task(const MatrixView<const Scalar>& left, const Tiles& right, int threads,
                            const Body& body) {
    const Index rows = left.rows, width = right.width();
    if (rows == 0 || width == 0) return;
    const double work =
        static_cast<double>(rows) * static_cast<double>(width) * static_cast<double>(right.depth());
    const int team = work < kTeamWork ? 1 : threads;
    const Index strips = quotient(width, kTileWidth);
    // Rows are divided only where threads would have nothing to do: tiles are made anew for each.
    const Index blocks =
        team == 1 ? 1 : (std::min)(quotient(2 * team, strips), quotient(rows, kBlockRows));
    const Index height = quotient(quotient(rows, blocks), kBlockRows) * kBlockRows;
    const Index tall = quotient(rows, height);
    Scalar* const scratch = workspace(team * kScratch);
    parallel_for(team, strips * tall, [&](Index index, int thread) {
      const Index row = index / strips * height, col = index % strips * kTileWidth;
      body(Task{row, (std::min)(height, rows - row), col, (std::min)(kTileWidth, width - col)},
           scratch + thread * kScratch);
    });
  }

  static Scalar* workspace(Index size) {
    static thread_local Buffer<Scalar> memory;
    memory.reserve(size);
    return memory.data();
  }

  static Index quotient(Index count, Index size) { return (count + size - 1) / size; }

  /// The tile that begins at row k, in the columns of a task.
  template <typename Tiles>
  static Panel<const Scalar> tile_of(const Tiles& right, Index k, Index depth, const Task& task,
                                     Scalar* scratch) {
    const Panel<const Scalar> tile = right(k, depth, task.col, task.cols, scratch);
    if (tile.data == scratch || task.rows < kRowsForTile ||
        !detail::shares_cache_sets<Scalar>(tile.stride))
      return tile;
    for (Index i = 0; i < depth; ++i)
      std::copy_n(tile.data + i * tile.stride, task.cols, scratch + i * task.cols);
    return {scratch, task.cols};
  }

  template <typename Tiles>
  static void multiply(const MatrixView<const Scalar>& left, const Tiles& right, const Task& task,
                       Scalar* out, Index out_stride, Scalar* scratch) {
    for (Index k = 0; k < right.depth(); k += kTileDepth<Scalar>) {
      const Index depth = (std::min)(kTileDepth<Scalar>, right.depth() - k);
      multiply_tile(left, k, depth, tile_of(right, k, depth, task, scratch), task, out, out_stride,
                    scratch);
    }
  }

  /// The part of a product that one tile makes, which begins at row k of the right factor: of the
  /// first one (k = 0) it is assigned, of the next ones added.
  static void multiply_tile(const MatrixView<const Scalar>& left, Index k, Index depth,
                            const Panel<const Scalar>& tile, const Task& task, Scalar* out,
                            Index out_stride, Scalar* scratch) {
    Scalar* const packed = scratch + kTileScratch<Scalar>;
    const bool packs = task.cols >= kColsForRows &&
                       (left.col_stride != 1 || detail::shares_cache_sets<Scalar>(left.row_stride));
    for (Index i = 0; i < task.rows; i += kBlockRows) {
      const Index rows = (std::min)(kBlockRows, task.rows - i);
      const Scalar* coefficients = &left(task.row + i, k);
      Index row_stride = left.row_stride, col_stride = left.col_stride;
      if (packs) {
        pack(coefficients, row_stride, col_stride, rows, depth, packed);
        coefficients = packed;
        row_stride = depth;
        col_stride = 1;
      }
      panel_product(coefficients, row_stride, col_stride, rows, depth, tile.data, tile.stride,
                    task.cols, out + i * out_stride, out_stride, k > 0);
    }
  }

  /// A copy of (rows, depth), in rows.
  static void pack(const Scalar* from, Index row_stride, Index col_stride, Index rows, Index depth,
                   Scalar* out) {
    if (row_stride == 1) {
      for (Index k = 0; k < depth; k += kTransposedRows)
        detail::transpose_rows(from + k * col_stride, col_stride,
                               (std::min)(kTransposedRows, depth - k), rows, out + k, depth);
      return;
    }
    for (Index i = 0; i < rows; ++i) {
      const Scalar* const row = from + i * row_stride;
      if (col_stride == 1) {
        std::copy_n(row, depth, out + i * depth);
      } else {
        for (Index k = 0; k < depth; ++k) out[i * depth + k] = row[k * col_stride];
      }
    }
  }
};

LORAPRO_NAMESPACE_END
