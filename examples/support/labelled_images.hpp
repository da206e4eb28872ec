// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Core>
#include <stdexcept>
#include <vector>

namespace examples {

using RowMatrixf = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The data set is not on this machine; the message says how to get it.
struct DataMissing : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A data file is there, but it is not what it should be; the message names the file.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One image per row of `pixels`, 0 (black) to 1 (white), and its class, counted from 0.
struct LabelledImages {
  RowMatrixf pixels;
  std::vector<int> labels;

  Eigen::Index size() const { return pixels.rows(); }
};

/// The images at `rows`, in that order.
inline LabelledImages take(const LabelledImages& images, const std::vector<Eigen::Index>& rows) {
  LabelledImages taken;
  taken.pixels.resize(static_cast<Eigen::Index>(rows.size()), images.pixels.cols());
  taken.labels.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    taken.pixels.row(static_cast<Eigen::Index>(i)) = images.pixels.row(rows[i]);
    taken.labels.push_back(images.labels[static_cast<std::size_t>(rows[i])]);
  }
  return taken;
}

/// The images [first, first + count).
inline LabelledImages slice(const LabelledImages& images, Eigen::Index first, Eigen::Index count) {
  return {images.pixels.middleRows(first, count),
          {images.labels.begin() + first, images.labels.begin() + first + count}};
}

}  // namespace examples
