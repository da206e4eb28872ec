// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/base_weight.hpp>

#include <cmath>    // std::abs, std::nearbyint, std::nextafter
#include <cstdint>  // std::int8_t

LORAPRO_NAMESPACE_BEGIN

/// A frozen weight (out_features, in_features) in 8 bits with a scale per row: a cheap handle,
/// shared by copying.
///
///     W0(i, j) ~ scale(i) code(i, j)      scale(i) = max_j |W0(i, j)| / 127      |code| <= 127
///
/// The error of an entry is at most scale(i) / 2. Scales are rounded up to a normal float, so that
/// no code is clamped. A row of zeros stays one.
/// \ref arXiv:2208.07339v2, absmax quantisation with a constant per row.
class Int8Weight {
 public:
  /// What the format is called in messages.
  static constexpr const char* kFormat = "int8";

  /// Codes are rounded to nearest, ties to even.
  /// \param weight  any Eigen expression of a storage type; read twice.
  /// \throws ShapeError (sizes below 1), ConfigError (an entry that is not finite, or too large for
  /// a float).
  template <typename Derived>
  static Int8Weight quantize(const Eigen::DenseBase<Derived>& weight) {
    const Index rows = weight.rows(), cols = weight.cols();
    detail::check_weight_shape(rows, cols);
    Int8Weight out(rows, cols);
    for (Index i = 0; i < rows; ++i) {
      double largest = 0;
      for (Index j = 0; j < cols; ++j)
        largest = (std::max)(largest, std::abs(detail::finite_entry(weight, i, j)));
      auto scale = static_cast<float>(largest / 127);
      if (127.0 * scale < largest)
        scale = std::nextafter(scale, (std::numeric_limits<float>::max)());
      // A denormal scale would be taken for zero where the processor flushes these.
      if (largest > 0) scale = (std::max)(scale, (std::numeric_limits<float>::min)());
      out.storage_->scales[i] = scale;
      if (largest == 0) continue;  // the codes of a new buffer are 0
      for (Index j = 0; j < cols; ++j)
        out.storage_->codes[i * cols + j] =
            static_cast<std::int8_t>(std::nearbyint(detail::finite_entry(weight, i, j) / scale));
    }
    return out;
  }

  Index out_features() const { return out_features_; }
  Index in_features() const { return in_features_; }
  /// Memory of the weight: m n + 4 m.
  std::size_t bytes() const {
    return static_cast<std::size_t>(storage_->codes.size()) +
           sizeof(float) * static_cast<std::size_t>(storage_->scales.size());
  }
  /// (out_features, in_features), row-major.
  const std::int8_t* codes() const { return storage_->codes.data(); }
  /// (out_features).
  const float* scales() const { return storage_->scales.data(); }

  /// The block (rows, cols) that begins at (row, col), rows `stride` apart.
  template <typename Scalar>
  void decode(Index row, Index rows, Index col, Index cols, Scalar* out, Index stride) const {
    for (Index i = 0; i < rows; ++i) {
      const auto scale = static_cast<Scalar>(scales()[row + i]);
      const std::int8_t* const source = codes() + (row + i) * in_features_ + col;
      Scalar* const target = out + i * stride;
      Index j = 0;
      // Copies of a constant size, which compilers turn into vectors at -O2 too.
      for (; j + kRun <= cols; j += kRun) {
        std::int8_t run[kRun];
        Scalar values[kRun];
        std::memcpy(run, source + j, sizeof run);
        for (Index k = 0; k < kRun; ++k) values[k] = scale * static_cast<Scalar>(run[k]);
        std::memcpy(target + j, values, sizeof values);
      }
      for (; j < cols; ++j) target[j] = scale * static_cast<Scalar>(source[j]);
    }
  }

 private:
  static constexpr Index kRun = 32;

  struct Storage {
    Buffer<std::int8_t> codes;
    Buffer<float> scales;
  };

  Int8Weight(Index out_features, Index in_features)
      : out_features_(out_features),
        in_features_(in_features),
        storage_(std::make_shared<Storage>(Storage{Buffer<std::int8_t>(out_features * in_features),
                                                   Buffer<float>(out_features)})) {}

  Index out_features_;
  Index in_features_;
  std::shared_ptr<Storage> storage_;
};

LORAPRO_NAMESPACE_END
