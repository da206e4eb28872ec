// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_writer.hpp>

#include <cstdlib>  // std::abort

// What the reader takes, the writer writes with the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const lorapro::io::GgufReader reader(data, size);
    const std::uint32_t version = std::uint32_t{data[4]} | std::uint32_t{data[5]} << 8U;
    if (version != 3 || reader.find("general.alignment") != nullptr) return 0;
    lorapro::io::GgufWriter writer;
    for (const auto& [key, value] : reader.metadata()) writer.add(key, value);
    for (const auto& tensor : reader.tensors())
      writer.add_tensor(tensor.name, tensor.ne, tensor.type, [&tensor](std::uint8_t* out) {
        if (tensor.bytes > 0) std::memcpy(out, tensor.data, static_cast<std::size_t>(tensor.bytes));
      });
    std::vector<std::uint8_t> again;
    writer.write([&](const std::uint8_t* bytes, std::size_t count) {
      again.insert(again.end(), bytes, bytes + count);
    });
    if (again != std::vector<std::uint8_t>(data, data + size)) std::abort();
  } catch (const lorapro::FormatError&) {
  }
  return 0;
}
