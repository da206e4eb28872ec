// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>
#include <vector>

#include "labelled_images.hpp"

namespace examples {

/// Mean cross-entropy of softmax(logits) against `labels`; `grad_logits` becomes its gradient.
inline double softmax_loss(const RowMatrixf& logits, const std::vector<int>& labels,
                           RowMatrixf& grad_logits) {
  const Eigen::Index count = logits.rows();
  grad_logits = logits;
  double loss = 0.0;
  for (Eigen::Index i = 0; i < count; ++i) {
    auto row = grad_logits.row(i);
    row = (row.array() - row.maxCoeff()).exp();
    row /= row.sum();
    auto& probability = row(labels[static_cast<std::size_t>(i)]);
    loss -= std::log(static_cast<double>(probability) + 1e-30);  // a vanished one stays finite
    probability -= 1.0F;
  }
  grad_logits /= static_cast<float>(count);
  return loss / static_cast<double>(count);
}

/// How many rows of `logits` have their largest entry at their label.
inline Eigen::Index count_correct(const RowMatrixf& logits, const std::vector<int>& labels) {
  Eigen::Index correct = 0;
  for (Eigen::Index i = 0; i < logits.rows(); ++i) {
    Eigen::Index best = 0;
    logits.row(i).maxCoeff(&best);
    if (best == labels[static_cast<std::size_t>(i)]) ++correct;
  }
  return correct;
}

}  // namespace examples
