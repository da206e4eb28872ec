// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// GGUF files written down byte by byte from the format's description, as an oracle of the library's
// reader and writer: nothing here calls either.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace gguf_bytes {

/// Numbers of the value types.
enum Type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, text, array, u64, i64, f64 };

class Bytes {
 public:
  template <typename T>
  Bytes& put(T value) {
    char raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    out_.append(raw, sizeof(T));
    return *this;
  }
  Bytes& raw(const std::string& bytes) {
    out_ += bytes;
    return *this;
  }
  Bytes& string(const std::string& value) { return put(std::uint64_t{value.size()}).raw(value); }
  /// Zeros up to a multiple of `alignment`.
  Bytes& pad(std::size_t alignment = 32) {
    while (out_.size() % alignment != 0) out_.push_back('\0');
    return *this;
  }

  Bytes& header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    return raw("GGUF").put(version).put(tensors).put(keys);
  }
  Bytes& key(const std::string& name, Type type) { return string(name).put(std::uint32_t{type}); }
  Bytes& tensor(const std::string& name, const std::vector<std::uint64_t>& ne, std::uint32_t type,
                std::uint64_t offset) {
    string(name).put(static_cast<std::uint32_t>(ne.size()));
    for (const auto n : ne) put(n);
    return put(type).put(offset);
  }

  const std::string& str() const { return out_; }

 private:
  std::string out_;
};

}  // namespace gguf_bytes
