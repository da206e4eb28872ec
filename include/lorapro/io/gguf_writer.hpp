// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/gguf.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// Writes a GGUF file (version 3) piece by piece: the header from what was announced, then the
/// tensors in the same order, so that one tensor is in memory at a time.
class GgufWriter {
 public:
  /// Adds a key. \throws ConfigError (empty, zero byte or bad UTF-8 in it, or there already).
  void add(const std::string& key, const GgufValue& value) {
    check_name("key", key, detail::kGgufMaxCount);
    if (keys_.count(key) != 0) throw ConfigError("key: expected a new one, got " + key + " again");
    if (key == "general.alignment")
      throw ConfigError("key: expected one that is free, got general.alignment");
    Bytes entry;
    put_text(entry, key);
    put_tagged(entry, value);
    keys_.insert(key);
    metadata_.insert(metadata_.end(), entry.begin(), entry.end());
  }

  /// Announces a tensor. \param ne  elements per dimension, the contiguous one first.
  /// \param fill  called when the file is written, with tensor.bytes bytes to fill.
  /// \throws ConfigError (name or shape that the format cannot hold, or there already).
  void add_tensor(const std::string& name, const std::vector<std::uint64_t>& ne, GgufType type,
                  std::function<void(std::uint8_t*)> fill) {
    check_name("tensor", name, detail::kGgufMaxName);
    if (ne.size() > detail::kGgufMaxDims)
      throw ConfigError("tensor " + name + ": expected at most 4 dimensions, got " +
                        std::to_string(ne.size()));
    if (!detail::has_whole_blocks(ne, type))
      throw ConfigError("tensor " + name + ": expected rows of whole blocks of 32 in Q8_0");
    const auto bytes = detail::gguf_bytes(ne, type);
    if (!bytes) throw ConfigError("tensor " + name + ": expected fewer than 2^63 bytes, got more");
    if (!names_.insert(name).second)
      throw ConfigError("tensor: expected a new name, got " + name + " again");
    put_text(tensors_, name);
    put(tensors_, static_cast<std::uint32_t>(ne.size()));
    for (const std::uint64_t n : ne) put(tensors_, n);
    for (const auto& [known, number] : detail::kGgmlTypes)
      if (known == type) put(tensors_, number);
    put(tensors_, offset_);
    offset_ += detail::padded(*bytes, detail::kGgufDefaultAlignment);
    data_.push_back({*bytes, std::move(fill)});
  }

  /// Hands the file to `sink(const std::uint8_t* bytes, std::size_t size)` in pieces. What `sink`
  /// and the fills throw passes through.
  template <typename Sink>
  void write(Sink&& sink) const {
    std::vector<std::uint8_t> piece(detail::kGgufMagic.begin(), detail::kGgufMagic.end());
    put(piece, detail::kGgufVersion);
    put(piece, std::uint64_t{names_.size()});
    put(piece, std::uint64_t{keys_.size()});
    piece.insert(piece.end(), metadata_.begin(), metadata_.end());
    piece.insert(piece.end(), tensors_.begin(), tensors_.end());
    if (!data_.empty()) piece.resize(padded_size(piece.size()), 0);
    sink(piece.data(), piece.size());
    for (const Data& tensor : data_) {
      piece.assign(padded_size(tensor.bytes), 0);
      tensor.fill(piece.data());
      sink(piece.data(), piece.size());
    }
  }

 private:
  using Bytes = std::vector<std::uint8_t>;

  struct Data {
    std::uint64_t bytes;
    std::function<void(std::uint8_t*)> fill;
  };

  static std::size_t padded_size(std::uint64_t size) {
    return static_cast<std::size_t>(detail::padded(size, detail::kGgufDefaultAlignment));
  }

  static void check_name(const char* what, const std::string& name, std::uint64_t longest) {
    if (name.empty() || name.size() > longest || name.find('\0') != std::string::npos ||
        !is_utf8(name))
      throw ConfigError(std::string(what) + ": expected 1 to " + std::to_string(longest) +
                        " bytes of UTF-8 without zero, got \"" + name + '"');
  }

  template <typename T>
  static void put(Bytes& out, T value) {
    out.resize(out.size() + sizeof(T));
    std::memcpy(out.data() + out.size() - sizeof(T), &value, sizeof value);
  }

  static void put_text(Bytes& out, const std::string& text) {
    put(out, std::uint64_t{text.size()});
    out.insert(out.end(), text.begin(), text.end());
  }

  static void put_value(Bytes& out, bool value) { put(out, static_cast<std::uint8_t>(value)); }
  static void put_value(Bytes& out, const std::string& value) {
    if (!is_utf8(value)) throw ConfigError("value: expected UTF-8, got other bytes");
    put_text(out, value);
  }
  static void put_value(Bytes&, std::monostate) {
    throw ConfigError("value: expected an array of scalars or strings, got an array of arrays");
  }
  static void put_value(Bytes& out, const GgufArray& value) { put_tagged(out, value); }
  template <typename T>
  static void put_value(Bytes& out, const std::vector<T>& values) {
    put(out, std::uint64_t{values.size()});
    for (const T& value : values) put_value(out, value);
  }
  template <typename T>
  static std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>> put_value(Bytes& out,
                                                                                         T value) {
    put(out, value);
  }

  template <typename Variant>
  static void put_tagged(Bytes& out, const Variant& value) {
    put(out, static_cast<std::uint32_t>(value.index()));
    std::visit([&](const auto& alternative) { put_value(out, alternative); }, value);
  }

  std::set<std::string> keys_, names_;
  Bytes metadata_, tensors_;
  std::vector<Data> data_;
  std::uint64_t offset_ = 0;
};

}  // namespace io
LORAPRO_NAMESPACE_END
