// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <cstddef>      // std::size_t
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Whether the text is UTF-8 in its shortest form, without surrogates and up to U+10FFFF.
/// \ref RFC 3629, section 4.
inline bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  for (std::size_t k = 0; k < text.size();) {
    const unsigned lead = byte(k);
    const std::size_t length = lead < 0x80                    ? 1
                               : lead >= 0xc2 && lead <= 0xdf ? 2
                               : lead >= 0xe0 && lead <= 0xef ? 3
                               : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                              : 0;
    if (length == 0 || text.size() - k < length) return false;
    if (length > 1) {
      // The second byte alone decides about overlong forms, surrogates and the upper end.
      const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
      const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      if (byte(k + 1) < low || byte(k + 1) > high) return false;
    }
    for (std::size_t j = 2; j < length; ++j)
      if ((byte(k + j) & 0xc0) != 0x80) return false;
    k += length;
  }
  return true;
}

}  // namespace io
LORAPRO_NAMESPACE_END
