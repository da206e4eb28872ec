// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>
#include <lorapro/core/random.hpp>
#include <lorapro/core/storage.hpp>

#include <cstdint>  // std::uint16_t, std::uint32_t

LORAPRO_NAMESPACE_BEGIN

/// \file
/// Registers. Kernels are written once on Eigen's packets, which exist for SSE2, AVX, AVX2, AVX-512
/// and NEON (and as plain scalars elsewhere); integer lanes are GCC vector extensions, which g++
/// and clang++ lower for every target. Only one-instruction functions of Eigen are used, which
/// optimising compilers inline, so that nothing is shared with units compiled for another
/// instruction set.

/// Asks for complete unrolling of the next loop, at -O2 too: its bounds are constants and its
/// arrays are registers. LORAPRO_NO_UNROLL forbids it: a larger body would run out of registers.
#if defined(__clang__)
#define LORAPRO_UNROLL _Pragma("clang loop unroll(full)")
#define LORAPRO_NO_UNROLL _Pragma("clang loop unroll(disable)")
#elif defined(__GNUC__)
#define LORAPRO_UNROLL _Pragma("GCC unroll 32")
#define LORAPRO_NO_UNROLL _Pragma("GCC unroll 1")
#else
#define LORAPRO_UNROLL
#define LORAPRO_NO_UNROLL
#endif

/// Around code that names packet types as template arguments: g++ then says that it drops their
/// attributes (alignment), which the templates do not look at.
#if defined(__GNUC__) && !defined(__clang__)
#define LORAPRO_PACKET_ARGUMENTS_BEGIN \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"")
#define LORAPRO_PACKET_ARGUMENTS_END _Pragma("GCC diagnostic pop")
#else
#define LORAPRO_PACKET_ARGUMENTS_BEGIN
#define LORAPRO_PACKET_ARGUMENTS_END
#endif

#if defined(__GNUC__)
#define LORAPRO_ALWAYS_INLINE inline __attribute__((always_inline))
#else
#define LORAPRO_ALWAYS_INLINE inline
#endif

namespace detail {

LORAPRO_PACKET_ARGUMENTS_BEGIN

/// A loaded value, a packet or a scalar, that is used several times. Compilers would rather load it
/// for each use, as an operand in memory, and with AVX2 loads are what a product then waits for. NEON
/// has no such operands.
template <typename Value>
LORAPRO_ALWAYS_INLINE Value in_register(Value v) {
#if defined(__GNUC__) && defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__GNUC__) && defined(__SSE2__)
  asm("" : "+x"(v));
#endif
  return v;
}

template <typename Scalar>
struct Packets {
  using Packet = typename Eigen::internal::packet_traits<Scalar>::type;
  static constexpr Index kSize = Eigen::internal::unpacket_traits<Packet>::size;
  /// Registers of the target: how large a register tile may be.
  static constexpr Index kRegisters = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS;

  static LORAPRO_ALWAYS_INLINE Packet load(const Scalar* p) {
    return Eigen::internal::ploadu<Packet>(p);
  }
  static LORAPRO_ALWAYS_INLINE void store(Scalar* p, const Packet& v) {
    Eigen::internal::pstoreu(p, v);
  }
  static LORAPRO_ALWAYS_INLINE Packet set(Scalar v) { return Eigen::internal::pset1<Packet>(v); }
  static LORAPRO_ALWAYS_INLINE Packet add(const Packet& a, const Packet& b) {
    return Eigen::internal::padd(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Packet mul(const Packet& a, const Packet& b) {
    return Eigen::internal::pmul(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Packet fma(const Packet& a, const Packet& b, const Packet& c) {
    return Eigen::internal::pmadd(a, b, c);
  }
  static LORAPRO_ALWAYS_INLINE Scalar sum(const Packet& v) { return Eigen::internal::predux(v); }
};

/// Correctly rounded square root: Eigen's psqrt is an approximation for some packets.
template <typename Packet>
LORAPRO_ALWAYS_INLINE Packet square_root(const Packet& v) {
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (std::is_same_v<Packet, Eigen::internal::Packet16f>) {
    return _mm512_sqrt_ps(v);
  } else if constexpr (std::is_same_v<Packet, Eigen::internal::Packet8d>) {
    return _mm512_sqrt_pd(v);
  } else
#endif
#if defined(EIGEN_VECTORIZE_AVX)
      if constexpr (std::is_same_v<Packet, Eigen::internal::Packet8f>) {
    return _mm256_sqrt_ps(v);
  } else if constexpr (std::is_same_v<Packet, Eigen::internal::Packet4d>) {
    return _mm256_sqrt_pd(v);
  } else
#endif
#if defined(EIGEN_VECTORIZE_SSE)
      if constexpr (std::is_same_v<Packet, Eigen::internal::Packet4f>) {
    return _mm_sqrt_ps(v);
  } else if constexpr (std::is_same_v<Packet, Eigen::internal::Packet2d>) {
    return _mm_sqrt_pd(v);
  } else
#endif
#if defined(EIGEN_VECTORIZE_NEON) && EIGEN_ARCH_ARM64
      if constexpr (std::is_same_v<Packet, Eigen::internal::Packet4f>) {
    return vsqrtq_f32(v);
  } else if constexpr (std::is_same_v<Packet, Eigen::internal::Packet2d>) {
    return vsqrtq_f64(v);
  } else
#endif
  {
    return Eigen::internal::psqrt(v);
  }
}

/// Comparisons lane by lane, and what they select. Eigen's masks are packets, which on AVX-512
/// costs moves between them and the mask registers.
template <typename Packet>
struct LaneMask {
  using Mask = Packet;
  static LORAPRO_ALWAYS_INLINE Mask less(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_lt(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask less_equal(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_le(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask equal(const Packet& a, const Packet& b) {
    return Eigen::internal::pcmp_eq(a, b);
  }
  static LORAPRO_ALWAYS_INLINE Mask both(const Mask& a, const Mask& b) {
    return Eigen::internal::pand(a, b);
  }
  /// a where the mask is set, else b.
  static LORAPRO_ALWAYS_INLINE Packet select(const Mask& mask, const Packet& a, const Packet& b) {
    return Eigen::internal::pselect(mask, a, b);
  }
};

#if defined(EIGEN_VECTORIZE_AVX512)
template <>
struct LaneMask<Eigen::internal::Packet8d> {
  using Packet = Eigen::internal::Packet8d;
  using Mask = __mmask8;
  static LORAPRO_ALWAYS_INLINE Mask less(const Packet& a, const Packet& b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
  }
  static LORAPRO_ALWAYS_INLINE Mask less_equal(const Packet& a, const Packet& b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ);
  }
  static LORAPRO_ALWAYS_INLINE Mask equal(const Packet& a, const Packet& b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ);
  }
  static LORAPRO_ALWAYS_INLINE Mask both(Mask a, Mask b) { return static_cast<Mask>(a & b); }
  static LORAPRO_ALWAYS_INLINE Packet select(Mask mask, const Packet& a, const Packet& b) {
    return _mm512_mask_blend_pd(mask, b, a);
  }
};
#endif

/// m / (sqrt(v) + eps) for v >= 0. Correctly rounded square root and division except on AVX-512:
/// there the divider, busy with the root, would dominate the Adam update, and the quotient comes
/// from a 14-bit estimate of 1 / (sqrt(v) + eps) and a Newton step (a few eps of the scalar).
template <typename Packet>
LORAPRO_ALWAYS_INLINE Packet normalize(const Packet& m, const Packet& v, const Packet& eps) {
  const Packet divisor = Eigen::internal::padd(square_root(v), eps);
#if defined(EIGEN_VECTORIZE_AVX512)
  if constexpr (std::is_same_v<Packet, Eigen::internal::Packet16f>) {
    const __m512 estimate = _mm512_rcp14_ps(divisor);
    const __m512 error = _mm512_fnmadd_ps(divisor, estimate, _mm512_set1_ps(2.0f));
    return _mm512_mul_ps(_mm512_mul_ps(m, estimate), error);
  }
#endif
  return Eigen::internal::pdiv(m, divisor);
}

LORAPRO_PACKET_ARGUMENTS_END

/// Bytes of a register.
inline constexpr std::size_t kPacketBytes = static_cast<std::size_t>(Packets<float>::kSize) * 4;

/// Lanes of a packet as unsigned integers.
template <typename Unsigned, Index kSize>
using IntegerLanes [[gnu::vector_size(kSize * sizeof(Unsigned))]] = Unsigned;

/// Moments in memory: one packet of Scalar from and to Storage. Noise is what stochastic rounding
/// of a packet of columns needs, for both rows of a pair (rounding_bits).
template <typename Scalar, typename Storage>
struct MomentLanes {
  using P = Packets<Scalar>;
  struct Noise {
    std::uint64_t pair_key;
    std::uint32_t col;
  };

  static LORAPRO_ALWAYS_INLINE typename P::Packet load(const Storage* p) {
    Scalar lanes[P::kSize];
    for (Index i = 0; i < P::kSize; ++i) lanes[i] = static_cast<Scalar>(p[i]);
    return P::load(lanes);
  }
  static LORAPRO_ALWAYS_INLINE void store(Storage* p, const typename P::Packet& v) {
    Scalar lanes[P::kSize];
    P::store(lanes, v);
    for (Index i = 0; i < P::kSize; ++i) p[i] = static_cast<Storage>(lanes[i]);
  }
  static LORAPRO_ALWAYS_INLINE Noise noise(std::uint64_t pair_key, std::uint32_t col) {
    return {pair_key, col};
  }
  /// Rounds stochastically. \param odd  whether the row is the second of its pair.
  static LORAPRO_ALWAYS_INLINE void store_stochastic(Storage* p, const typename P::Packet& v,
                                                     const Noise& noise, bool odd) {
    Scalar lanes[P::kSize];
    P::store(lanes, v);
    for (Index i = 0; i < P::kSize; ++i) {
      const auto bits = element_bits_of(noise.pair_key, noise.col + static_cast<std::uint32_t>(i));
      p[i] = round_stochastic(static_cast<float>(lanes[i]), odd ? bits >> 16 : bits);
    }
  }
};

template <typename Scalar>
struct MomentLanes<Scalar, Scalar> {
  using P = Packets<Scalar>;
  struct Noise {};

  static LORAPRO_ALWAYS_INLINE typename P::Packet load(const Scalar* p) { return P::load(p); }
  static LORAPRO_ALWAYS_INLINE void store(Scalar* p, const typename P::Packet& v) {
    P::store(p, v);
  }
  static LORAPRO_ALWAYS_INLINE Noise noise(std::uint64_t, std::uint32_t) { return {}; }
  static LORAPRO_ALWAYS_INLINE void store_stochastic(Scalar* p, const typename P::Packet& v,
                                                     const Noise&, bool) {
    P::store(p, v);
  }
};

/// In integer lanes: a bfloat16 is the upper half of a float. Values must be finite and below half
/// of the largest float, so that rounding up cannot reach infinity.
template <>
struct MomentLanes<float, bfloat16> {
  using P = Packets<float>;
  using Bits = IntegerLanes<std::uint32_t, P::kSize>;
  using Halves = IntegerLanes<std::uint16_t, P::kSize>;
  using Noise = Bits;

  static LORAPRO_ALWAYS_INLINE P::Packet load(const bfloat16* p) {
    Halves halves;
    std::memcpy(&halves, p, sizeof halves);
    const Bits bits = __builtin_convertvector(halves, Bits) << 16;
    P::Packet v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
  }
  static LORAPRO_ALWAYS_INLINE void store(bfloat16* p, const P::Packet& v) {
    const Bits bits = bits_of(v);
    truncate(p, bits + 0x7fffU + ((bits >> 16) & 1U));
  }
  static LORAPRO_ALWAYS_INLINE Noise noise(std::uint64_t pair_key, std::uint32_t col) {
    Bits lane;
    for (Index i = 0; i < P::kSize; ++i) lane[i] = static_cast<std::uint32_t>(i);
    return element_bits_of<Bits>(pair_key, lane + col);
  }
  static LORAPRO_ALWAYS_INLINE void store_stochastic(bfloat16* p, const P::Packet& v,
                                                     const Noise& noise, bool odd) {
    truncate(p, bits_of(v) + (odd ? noise >> 16 : noise & 0xffffU));
  }

 private:
  static LORAPRO_ALWAYS_INLINE Bits bits_of(const P::Packet& v) {
    Bits bits;
    std::memcpy(&bits, &v, sizeof bits);
    return bits;
  }
  static LORAPRO_ALWAYS_INLINE void truncate(bfloat16* p, const Bits& bits) {
    const Halves halves = __builtin_convertvector(bits >> 16, Halves);
    std::memcpy(static_cast<void*>(p), &halves, sizeof halves);
  }
};

}  // namespace detail

LORAPRO_NAMESPACE_END
