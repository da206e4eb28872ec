// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <stdexcept>
#include <string>
#include <vector>

#include "parameters.hpp"

namespace examples::nn {

/// A table of vectors; token `id` stands for row `id`.
template <typename Scalar>
class Embedding {
 public:
  using Matrix = RowMatrix<Scalar>;

  Embedding(Index tokens, Index width) : table_(tokens, width) {}

  Parameter<Scalar>& table() { return table_; }

  /// y.row(i) = table.row(ids[i]). \throws std::out_of_range for an id that the table lacks.
  void forward(const std::vector<int>& ids, Matrix& y) const {
    y.resize(static_cast<Index>(ids.size()), table_.value.cols());
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= table_.value.rows()) {
        throw std::out_of_range("there is no token " + std::to_string(ids[i]));
      }
      y.row(static_cast<Index>(i)) = table_.value.row(ids[i]);
    }
  }

  void backward(const std::vector<int>& ids, const Matrix& grad_y) {
    if (table_.frozen()) return;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      table_.grad.row(ids[i]) += grad_y.row(static_cast<Index>(i));
    }
  }

  template <typename Visitor>
  void for_each_parameter(const std::string& name, const Visitor& visit) {
    visit(name + ".weight", table_);
  }

 private:
  Parameter<Scalar> table_;  // (tokens, width)
};

/// A vector for each position of a sequence, added to what stands there.
template <typename Scalar>
class PositionEmbedding {
 public:
  using Matrix = RowMatrix<Scalar>;

  PositionEmbedding(Index positions, Index width) : table_(positions, width) {}

  Parameter<Scalar>& table() { return table_; }

  /// Adds to the rows of x, which are sequences of `length` rows, one after the other.
  void add_to(Matrix& x, Index length) const {
    for (Index row = 0; row < x.rows(); row += length) {
      x.middleRows(row, length) += table_.value.topRows(length);
    }
  }

  void backward(const Matrix& grad_x, Index length) {
    if (table_.frozen()) return;
    for (Index row = 0; row < grad_x.rows(); row += length) {
      table_.grad.topRows(length) += grad_x.middleRows(row, length);
    }
  }

  template <typename Visitor>
  void for_each_parameter(const std::string& name, const Visitor& visit) {
    visit(name + ".weight", table_);
  }

 private:
  Parameter<Scalar> table_;  // (positions, width)
};

}  // namespace examples::nn
