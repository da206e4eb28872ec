// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/storage.hpp>

#include <array>        // std::array
#include <cstdint>      // std::uint64_t
#include <optional>     // std::optional
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace io {

#ifdef __BYTE_ORDER__
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "lorapro/io: expected a little-endian machine, as the numbers in the files are");
#endif

/// Element types of safetensors, in the order by which its writers sort tensors.
enum class Dtype {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,  ///< two F32
  f64,
  i64,
  u64
};

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;  ///< as files spell it
  unsigned bits;          ///< of one element; not all are whole bytes
};

inline constexpr std::array<DtypeInfo, 22> kDtypes{{{Dtype::boolean, "BOOL", 8},
                                                    {Dtype::f4, "F4", 4},
                                                    {Dtype::f6_e2m3, "F6_E2M3", 6},
                                                    {Dtype::f6_e3m2, "F6_E3M2", 6},
                                                    {Dtype::u8, "U8", 8},
                                                    {Dtype::i8, "I8", 8},
                                                    {Dtype::f8_e5m2, "F8_E5M2", 8},
                                                    {Dtype::f8_e4m3, "F8_E4M3", 8},
                                                    {Dtype::f8_e8m0, "F8_E8M0", 8},
                                                    {Dtype::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
                                                    {Dtype::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
                                                    {Dtype::i16, "I16", 16},
                                                    {Dtype::u16, "U16", 16},
                                                    {Dtype::f16, "F16", 16},
                                                    {Dtype::bf16, "BF16", 16},
                                                    {Dtype::i32, "I32", 32},
                                                    {Dtype::u32, "U32", 32},
                                                    {Dtype::f32, "F32", 32},
                                                    {Dtype::c64, "C64", 64},
                                                    {Dtype::f64, "F64", 64},
                                                    {Dtype::i64, "I64", 64},
                                                    {Dtype::u64, "U64", 64}}};

constexpr const DtypeInfo& info(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

inline std::optional<Dtype> dtype_named(std::string_view name) {
  for (const DtypeInfo& candidate : kDtypes)
    if (candidate.name == name) return candidate.dtype;
  return std::nullopt;
}

constexpr Dtype dtype_of(StorageType type) {
  switch (type) {
    case StorageType::f32:
      return Dtype::f32;
    case StorageType::f64:
      return Dtype::f64;
    case StorageType::bf16:
      return Dtype::bf16;
    default:
      return Dtype::f16;
  }
}

/// The dtype of float, double, bfloat16 or half.
template <typename T>
constexpr Dtype dtype_of() {
  return dtype_of(storage_type<T>());
}

/// The storage type of F32, F64, BF16 and F16: those whose numbers can be converted.
constexpr std::optional<StorageType> storage_type_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return StorageType::f32;
    case Dtype::f64:
      return StorageType::f64;
    case Dtype::bf16:
      return StorageType::bf16;
    case Dtype::f16:
      return StorageType::f16;
    default:
      return std::nullopt;
  }
}

namespace detail {

/// \return false where the product does not fit; `product` is then meaningless.
inline bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  product = a * b;
  return a == 0 || product / a == b;
}

/// to[i] = from[i], i < count, `from` and `to` being unaligned bytes of the numbers of From and To.
/// A narrowing rounds to float first, then to the nearest of the target.
template <typename From, typename To>
void convert_bytes(const unsigned char* from, unsigned char* to, std::size_t count) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, count * sizeof(From));
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      From source;
      std::memcpy(&source, from + i * sizeof source, sizeof source);
      const To target = static_cast<To>(source);
      std::memcpy(to + i * sizeof target, &target, sizeof target);
    }
  }
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
