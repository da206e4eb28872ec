// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <array>        // std::array
#include <cstdint>      // std::uint32_t
#include <string>       // std::string
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace events {

/// The cyclic redundancy check of polynomial 0x1EDC6F41 (Castagnoli), reflected, with all bits
/// inverted before and after.
/// \cost one table look-up per byte. \ref RFC 3720, section 12.1 and appendix B.4.
inline std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
      std::uint32_t remainder = byte;
      for (int bit = 0; bit < 8; ++bit)
        remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0x82F63B78U : 0U);
      table[byte] = remainder;
    }
    return table;
  }();
  std::uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

/// The form in which a record holds its check: a check over bytes that contain their own check says
/// little, and the records may be nested.
inline std::uint32_t masked_crc32c(std::string_view bytes) {
  const std::uint32_t crc = crc32c(bytes);
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

/// Appends the lowest `count` bytes of `bits`, least significant first.
inline void append_little_endian(std::string& out, std::uint64_t bits, int count) {
  for (int i = 0; i < count; ++i) out += static_cast<char>(bits >> (8 * i) & 0xFF);
}

/// Appends a TFRecord: the length of the payload (8 bytes), its masked check (4), the payload, its
/// masked check (4). \ref tensorflow/core/lib/io/record_writer.cc.
inline void append_tf_record(std::string& out, std::string_view payload) {
  const std::size_t begin = out.size();
  append_little_endian(out, payload.size(), 8);
  append_little_endian(out, masked_crc32c(std::string_view(out).substr(begin, 8)), 4);
  out += payload;
  append_little_endian(out, masked_crc32c(payload), 4);
}

}  // namespace events
LORAPRO_NAMESPACE_END
