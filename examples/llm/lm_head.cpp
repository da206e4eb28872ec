// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "lm_head.hpp"

#include <array>
#include <cmath>  // std::log

#include "rms_norm.hpp"

namespace examples::llm {
namespace {

/// -log softmax(logits)[label]; logits become softmax(logits) - onehot(label).
template <typename Scalar>
double cross_entropy(Scalar* logits, Index count, TokenId label) {
  Scalar largest = logits[0];
  for_lanes<Scalar>(count / kLanes<Scalar> * kLanes<Scalar>, [&](Index k, const auto& lanes) {
    largest = std::max(largest, lanes.load(logits + k).maxCoeff());
  });
  for (Index k = count / kLanes<Scalar> * kLanes<Scalar>; k < count; ++k)
    largest = std::max(largest, logits[k]);
  const auto score = static_cast<double>(logits[label] - largest);
  // Sums of short runs in the scalar, of these in double: a vocabulary may have 10^5 tokens.
  constexpr Index kRun = 16 * kLanes<Scalar>;
  double sum = 0;
  for (Index run = 0; run < count; run += kRun) {
    Lanes<Scalar> sums = Lanes<Scalar>::Zero();
    Scalar* const from = logits + run;
    for_lanes<Scalar>(std::min(kRun, count - run), [&](Index k, const auto& lanes) {
      lanes.store(from + k, (lanes.load(from + k) - largest).exp());
      sums += lanes.load(from + k);  // again: lanes beyond the row are 0
    });
    sum += static_cast<double>(sums.sum());
  }
  const auto normalize = static_cast<Scalar>(1 / sum);
  for_lanes<Scalar>(count, [&](Index k, const auto& lanes) {
    lanes.store(logits + k, normalize * lanes.load(logits + k));
  });
  logits[label] -= 1;
  return std::log(sum) - score;
}

}  // namespace

template <typename Scalar>
template <typename Body>
LossSum LmHead<Scalar>::for_labelled(const ConstRows<Scalar>& x, const std::vector<TokenId>& labels,
                                     int threads, const Body& body) {
  LossSum total;
  std::array<Index, kRows> rows;
  std::array<double, kRows> losses;
  Index count = 0;
  const auto flush = [&] {
    if (count == 0) return;
    Rows<Scalar> normed = normed_.rows(count), logits = logits_.rows(count);
    for (Index i = 0; i < count; ++i)
      rms_norm(x.data() + rows[static_cast<std::size_t>(i)] * x.cols(), gain_.data(), x.cols(),
               eps_, &normed(i, 0));
    head_.forward(constant(normed), logits);
    lorapro::parallel_for(threads, count, [&](Index i, int) {
      const auto row = static_cast<std::size_t>(rows[static_cast<std::size_t>(i)]);
      losses[static_cast<std::size_t>(i)] =
          cross_entropy(&logits(i, 0), logits.cols(), labels[row]);
    });
    for (Index i = 0; i < count; ++i) total.loss += losses[static_cast<std::size_t>(i)];
    body(rows.data(), constant(normed), constant(logits));
    total.labels += count;
    count = 0;
  };
  for (Index row = 0; row < x.rows(); ++row) {
    if (labels[static_cast<std::size_t>(row)] == kNoLabel) continue;
    rows[static_cast<std::size_t>(count++)] = row;
    if (count == kRows) flush();
  }
  flush();
  return total;
}

template <typename Scalar>
LossSum LmHead<Scalar>::loss(const ConstRows<Scalar>& x, const std::vector<TokenId>& labels,
                             int threads) {
  return for_labelled(x, labels, threads,
                      [](const Index*, const ConstRows<Scalar>&, const ConstRows<Scalar>&) {});
}

template <typename Scalar>
LossSum LmHead<Scalar>::loss_and_gradient(const ConstRows<Scalar>& x,
                                          const std::vector<TokenId>& labels, Rows<Scalar> grad_x,
                                          int threads) {
  grad_x.setZero();
  return for_labelled(
      x, labels, threads,
      [&](const Index* rows, const ConstRows<Scalar>& normed, const ConstRows<Scalar>& grad) {
        Rows<Scalar> grad_normed = grad_normed_.rows(grad.rows());
        head_.backward(normed, grad, grad_normed);
        for (Index i = 0; i < grad.rows(); ++i) {
          Scalar* const to = &grad_x(rows[i], 0);
          rms_norm_gradient(
              x.data() + rows[i] * x.cols(), gain_.data(),
              static_cast<const Scalar*>(&grad_normed(i, 0)), x.cols(), eps_,
              [&](Index k, const auto& lanes, const auto& values) { lanes.store(to + k, values); });
        }
      });
}

template <typename Scalar>
void LmHead<Scalar>::logits(const ConstRows<Scalar>& x, Rows<Scalar> out, int threads) {
  for (Index row = 0; row < x.rows(); row += kRows) {
    const Index count = std::min(kRows, x.rows() - row);
    Rows<Scalar> normed = normed_.rows(count);
    for_rows(threads, count, [&](Index i) {
      rms_norm(x.data() + (row + i) * x.cols(), gain_.data(), x.cols(), eps_, &normed(i, 0));
    });
    head_.forward(constant(normed), Rows<Scalar>(&out(row, 0), count, out.cols()));
  }
}

template class LmHead<float>;
template class LmHead<double>;

}  // namespace examples::llm
