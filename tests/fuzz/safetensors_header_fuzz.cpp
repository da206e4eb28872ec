// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/safetensors_header.hpp>

#include <cstdlib>  // std::abort

// A header of no data, or of the 14 bytes of the first seed; what was read is written and read
// again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using lorapro::io::parse_safetensors_header;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::uint64_t bytes : {0, 14}) {
    try {
      const auto header = parse_safetensors_header("x", text, bytes);
      const auto again = parse_safetensors_header("x", safetensors_header_text(header), bytes);
      if (again.metadata != header.metadata || again.tensors.size() != header.tensors.size())
        std::abort();
    } catch (const lorapro::FormatError&) {
    }
  }
  return 0;
}
