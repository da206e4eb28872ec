// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/dtype.hpp>

#include <algorithm>    // std::find
#include <array>        // std::array
#include <cstring>      // std::memcpy
#include <limits>       // std::numeric_limits
#include <optional>     // std::optional
#include <string>       // std::string
#include <string_view>  // std::string_view
#include <utility>      // std::pair
#include <variant>      // std::variant
#include <vector>       // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Values of an array in the metadata of a GGUF file. The index of the alternative is the type's
/// number in the file; arrays of arrays are not part of the format as it is read anywhere.
using GgufArray =
    std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                 std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                 std::vector<float>, std::vector<bool>, std::vector<std::string>, std::monostate,
                 std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;

/// A value in the metadata of a GGUF file; again the index is the type's number.
using GgufValue = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t,
                               std::uint32_t, std::int32_t, float, bool, std::string, GgufArray,
                               std::uint64_t, std::int64_t, double>;

/// Element types of ggml that are read. Those of Q8_0 come in blocks of 32: a half, the scale, and
/// 32 signed bytes, each of which stands for scale times it.
enum class GgufType { f32, f16, q8_0, f64, bf16 };

/// The storage type of single numbers; nothing for blocks of them.
constexpr std::optional<StorageType> storage_type_of(GgufType type) {
  switch (type) {
    case GgufType::f32:
      return StorageType::f32;
    case GgufType::f16:
      return StorageType::f16;
    case GgufType::f64:
      return StorageType::f64;
    case GgufType::bf16:
      return StorageType::bf16;
    default:
      return std::nullopt;
  }
}

constexpr GgufType gguf_type_of(StorageType type) {
  switch (type) {
    case StorageType::f32:
      return GgufType::f32;
    case StorageType::f16:
      return GgufType::f16;
    case StorageType::f64:
      return GgufType::f64;
    default:
      return GgufType::bf16;
  }
}

/// A tensor of a GGUF file. Its matrix (rows, cols), row-major, has ne = [cols, rows].
struct GgufTensor {
  std::string name;
  std::vector<std::uint64_t> ne;  ///< elements per dimension, the contiguous one first; at most 4
  GgufType type = GgufType::f32;
  std::uint64_t bytes = 0;             ///< of the elements, without padding
  std::uint64_t offset = 0;            ///< from the first byte of data
  const std::uint8_t* data = nullptr;  ///< in the memory that was read; at any address
};

namespace detail {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::uint32_t kGgufVersion = 3;
inline constexpr std::uint32_t kGgufDefaultAlignment = 32;
inline constexpr std::uint64_t kGgufMaxCount = std::uint64_t{1} << 30;  // of string or array
inline constexpr std::size_t kGgufMaxName = 63;                         // bytes of a tensor's name
inline constexpr std::uint32_t kGgufMaxDims = 4;

/// Numbers of ggml's element types.
inline constexpr std::array<std::pair<GgufType, std::uint32_t>, 5> kGgmlTypes{
    {{GgufType::f32, 0},
     {GgufType::f16, 1},
     {GgufType::q8_0, 8},
     {GgufType::f64, 28},
     {GgufType::bf16, 30}}};

/// Numbers, and bytes, of a block of Q8_0.
inline constexpr std::uint64_t kQ8Numbers = 32;
inline constexpr std::uint64_t kQ8Bytes = 2 + kQ8Numbers;

inline std::uint64_t padded(std::uint64_t size, std::uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

/// Bytes of a tensor, or nothing where they do not fit 63 bits. \pre rows of whole blocks.
inline std::optional<std::uint64_t> gguf_bytes(const std::vector<std::uint64_t>& ne,
                                               GgufType type) {
  if (std::find(ne.begin(), ne.end(), 0U) != ne.end()) return 0;
  const auto single = storage_type_of(type);
  std::uint64_t bytes = single ? storage_bytes(*single) : kQ8Bytes;
  for (std::size_t k = 0; k < ne.size(); ++k) {
    const std::uint64_t n = k == 0 && !single ? ne[k] / kQ8Numbers : ne[k];
    if (bytes > static_cast<std::uint64_t>((std::numeric_limits<std::int64_t>::max)()) / n)
      return std::nullopt;
    bytes *= n;
  }
  return bytes;
}

/// Whether a row is one of whole blocks.
inline bool has_whole_blocks(const std::vector<std::uint64_t>& ne, GgufType type) {
  return storage_type_of(type) || (!ne.empty() && ne[0] % kQ8Numbers == 0);
}

}  // namespace detail

/// Copies elements [first, first + count) of a tensor, in the order of the file, converted to T.
/// \pre they are in it.
template <typename T>
void read_gguf(const GgufTensor& tensor, std::uint64_t first, std::size_t count, T* out) {
  if (const auto single = storage_type_of(tensor.type)) {
    visit_storage_type(*single, [&](auto zero) {
      using Stored = decltype(zero);
      detail::convert_bytes<Stored, T>(tensor.data + first * sizeof(Stored),
                                       reinterpret_cast<unsigned char*>(out), count);
    });
    return;
  }
  for (std::size_t k = 0; k < count; ++k) {
    const std::uint64_t element = first + k;
    const std::uint8_t* const block = tensor.data + element / detail::kQ8Numbers * detail::kQ8Bytes;
    half scale;
    std::memcpy(&scale, block, sizeof scale);
    std::int8_t code = 0;
    std::memcpy(&code, block + sizeof scale + element % detail::kQ8Numbers, 1);
    out[k] = static_cast<T>(static_cast<float>(scale) * static_cast<float>(code));
  }
}

}  // namespace io
LORAPRO_NAMESPACE_END
