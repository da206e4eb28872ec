// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max_element
#include <cstddef>
#include <vector>

namespace examples {

/// Appends the class with the largest logit of each row.
template <typename Matrix>
void append_predictions(const Matrix& logits, std::vector<int>& predictions) {
  for (decltype(logits.rows()) i = 0; i < logits.rows(); ++i) {
    decltype(logits.rows()) best = 0;
    logits.row(i).maxCoeff(&best);
    predictions.push_back(static_cast<int>(best));
  }
}

/// The share of predictions that are the label. Classes are counted from 0.
inline double accuracy(const std::vector<int>& predictions, const std::vector<int>& labels) {
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) correct += predictions[i] == labels[i] ? 1 : 0;
  return static_cast<double>(correct) / static_cast<double>(labels.size());
}

/// The mean of the F1 scores, 2 TP / (2 TP + FP + FN), of all classes that were predicted or should
/// have been: every class counts alike, however rare.
inline double macro_f1(const std::vector<int>& predictions, const std::vector<int>& labels,
                       int classes) {
  const auto size = static_cast<std::size_t>(classes);
  std::vector<int> hits(size), named(size);  // named: in predictions and in labels, 2 TP + FP + FN
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto prediction = static_cast<std::size_t>(predictions[i]);
    const auto label = static_cast<std::size_t>(labels[i]);
    ++named[prediction];
    ++named[label];
    if (prediction == label) ++hits[label];
  }
  double sum = 0.0;
  int present = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (named[i] == 0) continue;
    ++present;
    sum += 2.0 * hits[i] / named[i];
  }
  return sum / present;
}

/// How often the most frequent label occurs, and which it is.
struct MajorityClass {
  int label = 0;
  double share = 0.0;
};
inline MajorityClass majority_class(const std::vector<int>& labels, int classes) {
  std::vector<int> counts(static_cast<std::size_t>(classes));
  for (const int label : labels) ++counts[static_cast<std::size_t>(label)];
  const auto most = std::max_element(counts.begin(), counts.end());
  return {static_cast<int>(most - counts.begin()),
          static_cast<double>(*most) / static_cast<double>(labels.size())};
}

}  // namespace examples
