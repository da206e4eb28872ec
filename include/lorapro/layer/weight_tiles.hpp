// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/tiled_product.hpp>

LORAPRO_NAMESPACE_BEGIN

/// \file
/// W0 as the right factor of a TiledProduct: each tile is decoded into scratch where it is needed,
/// and no copy of W0 is ever made. A class of weights has
///
///     Index out_features() const;
///     Index in_features() const;
///     // the block (rows, cols) that begins at (row, col), rows of `out` `stride` apart
///     template <typename Scalar>
///     void decode(Index row, Index rows, Index col, Index cols, Scalar* out, Index stride) const;
///
/// which several threads call, and as the Base of a LoraLayer besides, being copied into it, the
/// memory that it takes, std::size_t bytes() const, and its name in messages, kFormat.

/// W0 (out_features, in_features), for x = y W0.
/// \tparam Weight  BaseWeight, Int8Weight, Nf4Weight, or any class of weights.
template <typename Scalar, typename Weight>
class WeightTiles {
 public:
  explicit WeightTiles(const Weight& weight) : weight_(weight) {}

  Index depth() const { return weight_.out_features(); }
  Index width() const { return weight_.in_features(); }

  Panel<const Scalar> operator()(Index row, Index depth, Index col, Index width,
                                 Scalar* scratch) const {
    weight_.decode(row, depth, col, width, scratch, width);
    return {scratch, width};
  }

 private:
  const Weight& weight_;
};

/// W0^T (in_features, out_features), for y = x W0^T.
template <typename Scalar, typename Weight>
class TransposedWeightTiles {
 public:
  explicit TransposedWeightTiles(const Weight& weight) : weight_(weight) {}

  Index depth() const { return weight_.in_features(); }
  Index width() const { return weight_.out_features(); }

  Panel<const Scalar> operator()(Index row, Index depth, Index col, Index width,
                                 Scalar* scratch) const {
    Scalar* const rows = scratch + kTileDepth<Scalar> * kTileWidth;
    for (Index i = 0; i < width; i += kTransposedRows) {
      const Index count = (std::min)(kTransposedRows, width - i);
      weight_.decode(col + i, count, row, depth, rows, depth);
      detail::transpose_rows(rows, depth, count, depth, scratch + i, width);
    }
    return {scratch, width};
  }

 private:
  const Weight& weight_;
};

LORAPRO_NAMESPACE_END
