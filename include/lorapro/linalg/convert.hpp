// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/packet.hpp>

#include <algorithm>    // std::fill
#include <type_traits>  // std::is_same_v

LORAPRO_NAMESPACE_BEGIN

/// to[i] = from[i], rounded to nearest, of `count` consecutive elements that do not overlap.
template <typename From, typename To>
void convert(const From* from, Index count, To* to) {
  Index i = 0;
#if defined(EIGEN_VECTORIZE_AVX512)
  // Compilers convert half a register at a time unless they are told otherwise.
  if constexpr (std::is_same_v<From, float> && std::is_same_v<To, double>) {
    for (; i + 8 <= count; i += 8)
      _mm512_storeu_pd(to + i, _mm512_cvtps_pd(_mm256_loadu_ps(from + i)));
  } else if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float>) {
    for (; i + 8 <= count; i += 8)
      _mm256_storeu_ps(to + i, _mm512_cvtpd_ps(_mm512_loadu_pd(from + i)));
  }
#endif
  for (; i < count; ++i) to[i] = static_cast<To>(from[i]);
}

namespace detail {

LORAPRO_PACKET_ARGUMENTS_BEGIN

/// A packet of To from consecutive elements of another type.
template <typename To, typename From>
LORAPRO_ALWAYS_INLINE typename Packets<To>::Packet load_converted(const From* from) {
  To values[Packets<To>::kSize];
  convert(from, Packets<To>::kSize, values);
  return Packets<To>::load(values);
}

/// One square of packets: to[k, i] = from[i, k] for i < rows, else 0.
template <typename From, typename To>
LORAPRO_ALWAYS_INLINE void transpose_square(const From* from, Index from_stride, Index rows, To* to,
                                            Index to_stride) {
  using P = Packets<To>;
  Eigen::internal::PacketBlock<typename P::Packet, P::kSize> square;
  LORAPRO_UNROLL
  for (Index i = 0; i < P::kSize; ++i)
    square.packet[i] = i < rows ? load_converted<To>(from + i * from_stride) : P::set(0);
  Eigen::internal::ptranspose(square);
  LORAPRO_UNROLL
  for (Index k = 0; k < P::kSize; ++k) P::store(to + k * to_stride, square.packet[k]);
}

LORAPRO_PACKET_ARGUMENTS_END

}  // namespace detail

/// Rows, each padded with zeros:  to[i padded + k] = k < count ? from[i from_stride + k] : 0.
/// \param padded  from row to row of the output; count, rounded up to a multiple of a packet.
/// \pre no overlap. \cost reads and writes each element once; no heap.
template <typename From, typename To>
void convert_padded(const From* from, Index from_stride, Index rows, Index count, To* to,
                    Index padded) {
  if (count == padded && from_stride == padded) {
    convert(from, rows * count, to);
    return;
  }
  using P = detail::Packets<To>;
  const Index whole = count - count % P::kSize, rest = count - whole;
  To ones[P::kSize] = {};
  std::fill(ones, ones + rest, To(1));
  const auto in_row = Eigen::internal::pcmp_eq(P::load(ones), P::set(1));
  for (Index i = 0; i < rows; ++i) {
    const From* const row = from + i * from_stride;
    To* const out = to + i * padded;
    convert(row, whole, out);
    Index k = whole;
    // The packet at the end of a row reaches into the next ones: cheaper than single elements.
    if (rest > 0 && from_stride == count && i * count + whole + P::kSize <= rows * count) {
      P::store(out + k, Eigen::internal::pand(detail::load_converted<To>(row + k), in_row));
      k += P::kSize;
    }
    for (; k < count; ++k) out[k] = static_cast<To>(row[k]);
    for (; k < padded; ++k) out[k] = 0;
  }
}

/// The same of the transpose:  to[k padded + i] = i < rows ? from[i from_stride + k] : 0.
/// \param padded  from row to row of the output; rows, rounded up to a multiple of a packet.
/// \pre no overlap. \cost reads and writes each element once; no heap.
template <typename From, typename To>
void convert_transposed(const From* from, Index from_stride, Index rows, Index count, To* to,
                        Index padded) {
  constexpr Index kSize = detail::Packets<To>::kSize;
  const Index whole = count - count % kSize;
  for (Index i = 0; i < padded; i += kSize) {
    const From* const band = from + i * from_stride;
    const Index height = rows - i;
    for (Index k = 0; k < whole; k += kSize)
      detail::transpose_square(band + k, from_stride, height, to + k * padded + i, padded);
    for (Index k = whole; k < count; ++k)
      for (Index l = 0; l < kSize; ++l)
        to[k * padded + i + l] = l < height ? static_cast<To>(band[l * from_stride + k]) : To(0);
  }
}

LORAPRO_NAMESPACE_END
