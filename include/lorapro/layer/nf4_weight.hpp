// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/base_weight.hpp>

#include <array>    // std::array
#include <cmath>    // std::abs
#include <cstdint>  // std::uint8_t

LORAPRO_NAMESPACE_BEGIN

/// The 16 levels of NF4, the quantiles of a normal distribution scaled to [-1, 1], with an exact
/// zero.
/// \ref arXiv:2305.14314v1, NF4; bitsandbytes has the same numbers.
inline constexpr std::array<float, 16> kNf4Levels = {-1.0F,
                                                     -0.6961928009986877F,
                                                     -0.5250730514526367F,
                                                     -0.39491748809814453F,
                                                     -0.28444138169288635F,
                                                     -0.18477343022823334F,
                                                     -0.09105003625154495F,
                                                     0.0F,
                                                     0.07958029955625534F,
                                                     0.16093020141124725F,
                                                     0.24611230194568634F,
                                                     0.33791524171829224F,
                                                     0.44070982933044434F,
                                                     0.5626170039176941F,
                                                     0.7229568362236023F,
                                                     1.0F};

namespace detail {

/// The 256 values of bitsandbytes' signed dynamic data type, ascending: in each of seven decades
/// 2^0 to 2^6 numbers at equal distances, of either sign, and 0 (at 127) and 1 (at 255). To within
/// an ulp or two: bitsandbytes computes them in float.
/// \ref arXiv:2110.02861v2, dynamic quantisation.
constexpr std::array<float, 256> dynamic_values() {
  constexpr double kDecades[] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
  std::array<float, 256> out{};
  for (int i = 0; i < 7; ++i) {
    const int count = 1 << i;
    for (int k = 0; k < count; ++k) {
      const auto value = static_cast<float>(kDecades[i] * (0.1 + 0.9 * (k + 0.5) / count));
      out[static_cast<std::size_t>(127 + count + k)] = value;
      out[static_cast<std::size_t>(127 - count - k)] = -value;
    }
  }
  out[255] = 1;
  return out;
}

inline constexpr std::array<float, 256> kDynamicValues = dynamic_values();

/// The two levels of each byte of codes, the upper half first.
template <typename Scalar>
constexpr std::array<Scalar, 512> level_pairs() {
  std::array<Scalar, 512> out{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    out[2 * byte] = static_cast<Scalar>(kNf4Levels[byte >> 4]);
    out[2 * byte + 1] = static_cast<Scalar>(kNf4Levels[byte & 15]);
  }
  return out;
}

template <typename Scalar>
inline constexpr std::array<Scalar, 512> kLevelPairs = level_pairs<Scalar>();

/// Index of the value that is nearest to x; of two the lower one.
template <std::size_t kSize>
std::uint8_t nearest(const std::array<float, kSize>& ascending, double x) {
  std::size_t low = 0, count = kSize - 1;  // the answer is in [low, low + count]
  while (count > 0) {
    const std::size_t half = count / 2, at = low + half;
    const double middle =
        (static_cast<double>(ascending[at]) + static_cast<double>(ascending[at + 1])) / 2;
    if (x > middle) {
      low = at + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return static_cast<std::uint8_t>(low);
}

}  // namespace detail

/// A frozen weight (out_features, in_features) in NF4 with double quantisation, QLoRA's data type:
/// a cheap handle, shared by copying. The entries in row-major order form blocks of 64 (the last
/// may be shorter), the blocks groups of 256:
///
///     W0 ~ absmax(block) level[code]                      code: 4 bits
///     absmax(block) ~ mean + scale(group) value[code']    code': 8 bits, dynamic data type
///
/// with absmax the largest magnitude of a block, mean the mean of all absmax and scale the largest
/// |absmax - mean| of a group. The error of an entry is at most
///
///     0.152 absmax(block) + 0.0071 scale(group)
///
/// (half the widest gap of the levels, and of the dynamic values). An entry 0 stays exactly 0.
/// Bytes and their order are those of bitsandbytes (`quant_type` nf4, `blocksize` 64, compressed
/// statistics), two codes a byte with the first in the upper half, but for rounding at ties and
/// blocks of zeros, whose codes are level 0 here. \ref arXiv:2305.14314v1, section 3.
class Nf4Weight {
 public:
  /// What the format is called in messages.
  static constexpr const char* kFormat = "nf4";
  static constexpr Index kBlock = 64;
  static constexpr Index kGroup = 256;

  /// Every number gets the nearest code, of two the lower one.
  /// \param weight  any Eigen expression of a storage type; read once.
  /// \throws ShapeError (sizes below 1), ConfigError (an entry that is not finite, or too large for
  /// a float).
  template <typename Derived>
  static Nf4Weight quantize(const Eigen::DenseBase<Derived>& weight) {
    detail::check_weight_shape(weight.rows(), weight.cols());
    Nf4Weight out(weight.rows(), weight.cols());
    const Index size = weight.size(), blocks = out.blocks();
    Buffer<float> absmax(blocks);
    double sum = 0;
    for (Index block = 0; block < blocks; ++block) {
      const Index first = block * kBlock, count = (std::min)(kBlock, size - first);
      double entries[kBlock];
      double largest = 0;
      for (Index k = 0; k < count; ++k) {
        entries[k] =
            detail::finite_entry(weight, (first + k) / weight.cols(), (first + k) % weight.cols());
        largest = (std::max)(largest, std::abs(entries[k]));
      }
      absmax[block] = static_cast<float>(largest);
      sum += static_cast<double>(absmax[block]);
      for (Index k = 0; k < count; ++k) {
        const int code = detail::nearest(kNf4Levels, largest > 0 ? entries[k] / largest : 0);
        std::uint8_t& byte = out.storage_->codes[(first + k) / 2];
        byte = static_cast<std::uint8_t>(k % 2 == 0 ? code << 4 : byte | code);
      }
    }
    out.quantize_absmax(absmax, static_cast<float>(sum / static_cast<double>(blocks)));
    return out;
  }

  Index out_features() const { return out_features_; }
  Index in_features() const { return in_features_; }
  Index blocks() const { return storage_->absmax_codes.size(); }
  /// Memory of the weight: about m n (1 / 2 + 1 / 64 + 1 / 4096).
  std::size_t bytes() const {
    return static_cast<std::size_t>(storage_->codes.size() + storage_->absmax_codes.size()) +
           sizeof(float) * static_cast<std::size_t>(storage_->absmax_scales.size() + 1);
  }
  /// Two codes a byte; an odd last code has a lower half of 0.
  const std::uint8_t* codes() const { return storage_->codes.data(); }
  /// (blocks).
  const std::uint8_t* absmax_codes() const { return storage_->absmax_codes.data(); }
  /// A float per group.
  const float* absmax_scales() const { return storage_->absmax_scales.data(); }
  float absmax_mean() const { return storage_->absmax_mean; }

  /// absmax of a block, decoded; may be below 0 where the block is tiny beside its group.
  float absmax(Index block) const {
    return storage_->absmax_scales[block / kGroup] *
               detail::kDynamicValues[storage_->absmax_codes[block]] +
           storage_->absmax_mean;
  }

  /// The block (rows, cols) that begins at (row, col), rows `stride` apart.
  template <typename Scalar>
  void decode(Index row, Index rows, Index col, Index cols, Scalar* out, Index stride) const {
    for (Index i = 0; i < rows; ++i) {
      const Index first = (row + i) * in_features_ + col, end = first + cols;
      for (Index entry = first; entry < end;) {
        const Index block = entry / kBlock, count = (std::min)(end, (block + 1) * kBlock) - entry;
        decode_within(entry, count, static_cast<Scalar>(absmax(block)),
                      out + i * stride + (entry - first));
        entry += count;
      }
    }
  }

 private:
  static constexpr Index kRun = 32;

  struct Storage {
    Buffer<std::uint8_t> codes;
    Buffer<std::uint8_t> absmax_codes;
    Buffer<float> absmax_scales;
    float absmax_mean;
  };

  Nf4Weight(Index out_features, Index in_features)
      : out_features_(out_features), in_features_(in_features) {
    const Index size = out_features * in_features, blocks = (size + kBlock - 1) / kBlock;
    storage_ = std::make_shared<Storage>(Storage{Buffer<std::uint8_t>((size + 1) / 2),
                                                 Buffer<std::uint8_t>(blocks),
                                                 Buffer<float>((blocks + kGroup - 1) / kGroup), 0});
  }

  void quantize_absmax(const Buffer<float>& absmax, float mean) {
    storage_->absmax_mean = mean;
    for (Index first = 0; first < blocks(); first += kGroup) {
      const Index end = (std::min)(first + kGroup, blocks());
      float scale = 0;
      for (Index k = first; k < end; ++k) scale = (std::max)(scale, std::abs(absmax[k] - mean));
      storage_->absmax_scales[first / kGroup] = scale;
      for (Index k = first; k < end; ++k) {
        const double distance = static_cast<double>(absmax[k] - mean);
        storage_->absmax_codes[k] =
            detail::nearest(detail::kDynamicValues, scale > 0 ? distance / scale : 0);
      }
    }
  }

  /// `count` entries of one block from `entry` on.
  template <typename Scalar>
  void decode_within(Index entry, Index count, Scalar scale, Scalar* out) const {
    const auto& pairs = detail::kLevelPairs<Scalar>;
    if (entry % 2 != 0 && count > 0) {
      *out++ = scale * pairs[2 * std::size_t{codes()[entry / 2]} + 1];
      --count;
    }
    const std::uint8_t* bytes = codes() + (entry + 1) / 2;
    for (; count >= kRun; count -= kRun, out += kRun, bytes += kRun / 2) {
      Scalar values[kRun];
      for (Index k = 0; k < kRun / 2; ++k)
        std::memcpy(values + 2 * k, &pairs[2 * std::size_t{bytes[k]}], 2 * sizeof(Scalar));
      for (Index k = 0; k < kRun; ++k) values[k] *= scale;
      std::memcpy(out, values, sizeof values);
    }
    for (Index k = 0; k < count; ++k)
      out[k] = scale * pairs[2 * std::size_t{bytes[k / 2]} + static_cast<std::size_t>(k % 2)];
  }

  Index out_features_;
  Index in_features_;
  std::shared_ptr<Storage> storage_;
};

LORAPRO_NAMESPACE_END
