// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::sqrt
#include <stdexcept>
#include <string>
#include <vector>

#include "linear.hpp"

namespace examples::nn {

/// How the rows of a batch form sequences: `count` of them one after the other, `length` rows each,
/// or of lengths that differ.
struct Sequences {
  Index count = 0;
  Index length = 0;  // of the longest
  /// How many rows of each sequence are not padding; empty if there is none. Nothing attends to
  /// padding.
  std::vector<Index> used;
  /// The first row of each sequence and the end of the last; empty if all have the same length.
  std::vector<Index> starts = {};

  /// Sequences of these lengths. \throws std::invalid_argument if one is empty.
  static Sequences packed(const std::vector<Index>& lengths) {
    Sequences sequences{static_cast<Index>(lengths.size()), 0, {}};
    sequences.starts = {0};
    for (const Index length : lengths) {
      if (length < 1) throw std::invalid_argument("lengths: expected sequences that are not empty");
      sequences.length = std::max(sequences.length, length);
      sequences.starts.push_back(sequences.starts.back() + length);
    }
    return sequences;
  }

  Index rows() const { return starts.empty() ? count * length : starts.back(); }
  Index start(Index sequence) const {
    return starts.empty() ? sequence * length : starts[static_cast<std::size_t>(sequence)];
  }
  Index length_of(Index sequence) const { return start(sequence + 1) - start(sequence); }
};

/// softmax(scale Q K^T) V for each sequence and head. The columns of the input are Q, K and V side
/// by side, each with the heads side by side.
template <typename Scalar>
class AttentionCore {
 public:
  using Matrix = RowMatrix<Scalar>;

  /// \param scale  0 for 1 / sqrt(head_width).
  AttentionCore(Index heads, Index head_width, bool causal, double scale = 0.0)
      : heads_(heads),
        head_width_(head_width),
        causal_(causal),
        scale_(static_cast<Scalar>(
            scale != 0.0 ? scale : 1.0 / std::sqrt(static_cast<double>(head_width)))) {}

  Index width() const { return heads_ * head_width_; }

  /// \param qkv     (rows, 3 width).
  /// \param[out] y  (rows, width).
  void forward(const Matrix& qkv, const Sequences& sequences, Matrix& y) {
    check(qkv, sequences);
    y.resize(qkv.rows(), width());
    // Row i of a head's block: the weights with which query i takes the values.
    weights_.resize(sequences.rows() * heads_, sequences.length);
    for_heads(sequences, [&](Index sequence, Index head, int) {
      const Part part = part_of(sequences, sequence, head);
      for_query_blocks(part, [&](Index first, Index size, Index keys) {
        auto weights = weights_.block(part.weights_row + first, 0, size, keys);
        auto mixed = y.block(part.row + first, part.column, size, head_width_);
        Product::assign(read(rows(qkv, part, 0, first, size)),
                        Tiles(lorapro::transposed(read(rows(qkv, part, 1, 0, keys)))),
                        lorapro::make_view(weights), 1);
        for (Index i = 0; i < size; ++i) {
          const Index seen = causal_ ? std::min(first + i + 1, part.keys) : part.keys;
          auto row = weights.row(i).head(seen).array();
          row *= scale_;
          row = (row - row.maxCoeff()).exp();
          row *= 1 / row.sum();
          weights.row(i).tail(keys - seen).setZero();
        }
        Product::assign(read(weights), Tiles(read(rows(qkv, part, 2, 0, keys))),
                        lorapro::make_view(mixed), 1);
      });
    });
  }

  /// Gradient of the last forward, which got the same qkv; grad_qkv is overwritten.
  void backward(const Matrix& qkv, const Sequences& sequences, const Matrix& grad_y,
                Matrix& grad_qkv) {
    grad_qkv.resize(qkv.rows(), qkv.cols());
    scratch_.resize(static_cast<std::size_t>(thread_setting()));
    for_heads(sequences, [&](Index sequence, Index head, int thread) {
      const Part part = part_of(sequences, sequence, head);
      Matrix& scratch = scratch_[static_cast<std::size_t>(thread)];
      auto grad_k = rows(grad_qkv, part, 1, 0, part.length);
      auto grad_v = rows(grad_qkv, part, 2, 0, part.length);
      grad_k.setZero();
      grad_v.setZero();
      scratch.resize(sequences.length, sequences.length);
      for_query_blocks(part, [&](Index first, Index size, Index keys) {
        const auto weights = weights_.block(part.weights_row + first, 0, size, keys);
        const auto dy = grad_y.block(part.row + first, part.column, size, head_width_);
        auto scores = scratch.topLeftCorner(size, keys);
        Product::assign(read(dy), Tiles(lorapro::transposed(read(rows(qkv, part, 2, 0, keys)))),
                        lorapro::make_view(scores), 1);
        for (Index i = 0; i < size; ++i) {
          auto row = scores.row(i).array();
          const auto weight = weights.row(i).array();
          row = weight * (row - (row * weight).sum()) * scale_;
        }
        auto grad_q = rows(grad_qkv, part, 0, first, size);
        auto to_k = grad_k.topRows(keys), to_v = grad_v.topRows(keys);
        Product::assign(read(scores), Tiles(read(rows(qkv, part, 1, 0, keys))),
                        lorapro::make_view(grad_q), 1);
        Product::add(Scalar(1), lorapro::transposed(read(scores)),
                     Tiles(read(rows(qkv, part, 0, first, size))), lorapro::make_view(to_k), 1);
        Product::add(Scalar(1), lorapro::transposed(read(weights)), Tiles(read(dy)),
                     lorapro::make_view(to_v), 1);
      });
    });
  }

 private:
  using Product = lorapro::TiledProduct<Scalar>;
  using Tiles = lorapro::ViewTiles<Scalar>;

  template <typename Block>
  static lorapro::MatrixView<const Scalar> read(const Block& block) {
    return lorapro::make_view(block);
  }

  /// Where one head of one sequence lies.
  struct Part {
    Index row, column;  // of the head in y
    Index weights_row;
    Index length, keys;  // keys: without the padding
  };

  /// Queries are taken some at a time, so that causal attention leaves out most of what it may not
  /// see; as many as register tiles of products are wide.
  static constexpr Index kQueryBlock = 48;

  void check(const Matrix& qkv, const Sequences& sequences) const {
    lorapro::checks::shape("qkv", qkv.rows(), qkv.cols(), sequences.rows(), 3 * width());
    if (sequences.used.empty()) return;
    if (static_cast<Index>(sequences.used.size()) != sequences.count) {
      throw std::invalid_argument("used: expected one number for each sequence");
    }
    for (Index i = 0; i < sequences.count; ++i) {
      const Index used = sequences.used[static_cast<std::size_t>(i)];
      if (used < 1 || used > sequences.length_of(i)) {
        throw std::invalid_argument("used: expected 1 to the length of a sequence");
      }
    }
  }

  Part part_of(const Sequences& sequences, Index sequence, Index head) const {
    const Index start = sequences.start(sequence), length = sequences.length_of(sequence);
    const Index keys =
        sequences.used.empty() ? length : sequences.used[static_cast<std::size_t>(sequence)];
    return {start, head * head_width_, start * heads_ + head * length, length, keys};
  }

  /// Rows of Q, K or V (matrix 0, 1 or 2) of one head of one sequence.
  template <typename Qkv>
  auto rows(Qkv& qkv, const Part& part, Index matrix, Index first, Index size) const {
    return qkv.block(part.row + first, matrix * width() + part.column, size, head_width_);
  }

  template <typename Body>
  void for_heads(const Sequences& sequences, const Body& body) const {
    lorapro::parallel_for(thread_setting(), sequences.count * heads_, [&](Index index, int thread) {
      body(index / heads_, index % heads_, thread);
    });
  }

  template <typename Body>
  void for_query_blocks(const Part& part, const Body& body) const {
    for (Index first = 0; first < part.length; first += kQueryBlock) {
      const Index size = std::min(kQueryBlock, part.length - first);
      body(first, size, causal_ ? std::min(first + size, part.keys) : part.keys);
    }
  }

  Index heads_, head_width_;
  bool causal_;
  Scalar scale_;
  Matrix weights_;
  std::vector<Matrix> scratch_;  // one for each thread
};

/// Multi-head self-attention: linear to Q, K and V, attention, linear to the output.
template <typename Scalar>
class MultiHeadAttention {
 public:
  using Matrix = RowMatrix<Scalar>;

  /// The heads together are `width` wide; the input and the output need not be.
  MultiHeadAttention(Index in_features, Index width, Index out_features, Index heads, bool causal,
                     double scale = 0.0)
      : qkv_(3 * width, in_features),
        core_(heads, width / heads, causal, scale),
        out_(out_features, width) {
    if (heads < 1 || width % heads != 0) {
      throw std::invalid_argument("heads: expected a divisor of the width");
    }
  }

  Linear<Scalar>& qkv() { return qkv_; }
  Linear<Scalar>& out() { return out_; }

  void forward(const Matrix& x, const Sequences& sequences, Matrix& y) {
    qkv_.forward(x, qkv_values_);
    core_.forward(qkv_values_, sequences, mixed_);
    out_.forward(mixed_, y);
  }

  void backward(const Matrix& x, const Sequences& sequences, const Matrix& grad_y, Matrix& grad_x) {
    out_.backward(mixed_, grad_y, grad_mixed_);
    core_.backward(qkv_values_, sequences, grad_mixed_, grad_qkv_);
    qkv_.backward(x, grad_qkv_, grad_x);
  }

  /// As above without grad_x, where nothing below is trained.
  void backward(const Matrix& x, const Sequences& sequences, const Matrix& grad_y) {
    out_.backward(mixed_, grad_y, grad_mixed_);
    core_.backward(qkv_values_, sequences, grad_mixed_, grad_qkv_);
    qkv_.backward(x, grad_qkv_);
  }

  template <typename Visitor>
  void for_each_layer(const std::string& name, const Visitor& visit) {
    visit(name + ".qkv", qkv_);
    visit(name + ".out", out_);
  }

 private:
  Linear<Scalar> qkv_;
  AttentionCore<Scalar> core_;
  Linear<Scalar> out_;
  Matrix qkv_values_, mixed_, grad_mixed_, grad_qkv_;
};

}  // namespace examples::nn
