// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>
#include <cmath>  // std::log
#include <stdexcept>
#include <string>
#include <vector>

#include "threads.hpp"

namespace examples::nn {

/// The label of a row that does not count.
constexpr int kNoLabel = -1;

/// log softmax(logits)[label] of each row; 0 for rows without a label.
template <typename Scalar>
std::vector<double> log_probabilities(const lorapro::RowMatrix<Scalar>& logits,
                                      const std::vector<int>& labels) {
  std::vector<double> result(labels.size(), 0.0);
  for_blocks(logits.rows(), kRowBlock, [&](Index row, Index rows) {
    for (Index i = row; i < row + rows; ++i) {
      const int label = labels[static_cast<std::size_t>(i)];
      if (label == kNoLabel) continue;
      const auto scores = logits.row(i).array();
      const Scalar largest = scores.maxCoeff();
      const auto sum = static_cast<double>((scores - largest).exp().sum());
      result[static_cast<std::size_t>(i)] =
          static_cast<double>(scores(label) - largest) - std::log(sum);
    }
  });
  return result;
}

/// Mean cross-entropy, in nats, of softmax(logits) against the labels, over the rows that have one.
/// \param[out] grad_logits  its gradient.
/// \throws std::out_of_range for a label that has no logit.
template <typename Scalar>
double softmax_cross_entropy(const lorapro::RowMatrix<Scalar>& logits,
                             const std::vector<int>& labels,
                             lorapro::RowMatrix<Scalar>& grad_logits) {
  Index counted = 0;
  for (const int label : labels) {
    if (label == kNoLabel) continue;
    if (label < 0 || label >= logits.cols()) {
      throw std::out_of_range("there is no class " + std::to_string(label));
    }
    ++counted;
  }
  grad_logits.resize(logits.rows(), logits.cols());
  const Scalar weight = Scalar(1) / static_cast<Scalar>(std::max<Index>(counted, 1));
  std::vector<double> losses(labels.size(), 0.0);
  for_blocks(logits.rows(), kRowBlock, [&](Index row, Index rows) {
    for (Index i = row; i < row + rows; ++i) {
      auto grad = grad_logits.row(i).array();
      const int label = labels[static_cast<std::size_t>(i)];
      if (label == kNoLabel) {
        grad.setZero();
        continue;
      }
      const auto scores = logits.row(i).array();
      const Scalar largest = scores.maxCoeff();
      grad = (scores - largest).exp();
      const Scalar sum = grad.sum();
      losses[static_cast<std::size_t>(i)] =
          std::log(static_cast<double>(sum)) - static_cast<double>(scores(label) - largest);
      grad *= weight / sum;
      grad(label) -= weight;
    }
  });
  double loss = 0.0;
  for (const double part : losses) loss += part;
  return loss / static_cast<double>(std::max<Index>(counted, 1));
}

}  // namespace examples::nn
