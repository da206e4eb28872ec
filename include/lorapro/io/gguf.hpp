// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/file_kind.hpp>
#include <lorapro/io/gguf_types.hpp>
#include <lorapro/io/utf8.hpp>

#include <functional>  // std::function
#include <set>         // std::set
#include <utility>     // std::move

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// A GGUF file in memory, every byte of it checked: counts before anything is allocated for them,
/// keys, names, UTF-8, types, offsets, padding and the length of the file. It is stricter than ggml
/// where that reads on: booleans are 0 or 1, padding is zero, and nothing follows the last tensor.
/// \ref ggml, docs/gguf.md and src/gguf.cpp.
class GgufReader {
 public:
  /// \param bytes  the whole file; must outlive this object and what it returned.
  /// \param name   of the file, for messages.
  /// \throws FormatError.
  GgufReader(const std::uint8_t* bytes, std::uint64_t size, std::string name = "gguf")
      : bytes_(bytes), size_(size), file_(std::move(name)) {
    read();
  }

  /// Metadata in the order of the file.
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const { return metadata_; }
  /// Tensors in the order of the file.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  std::uint32_t alignment() const { return alignment_; }
  const std::string& file() const { return file_; }

  /// The value of a key that must be there with the type T. \throws FormatError.
  template <typename T>
  const T& get(std::string_view key) const {
    const GgufValue* const value = find(key);
    if (value == nullptr) fail("expected the key " + std::string(key) + ", got none");
    if (!std::holds_alternative<T>(*value))
      fail("key " + std::string(key) + ": expected type " + std::to_string(GgufValue(T{}).index()) +
           ", got type " + std::to_string(value->index()));
    return std::get<T>(*value);
  }

  /// Null if there is no such key.
  const GgufValue* find(std::string_view key) const {
    for (const auto& entry : metadata_)
      if (entry.first == key) return &entry.second;
    return nullptr;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(file_ + ": " + problem);
  }

 private:
  template <typename T>
  struct Tag {};

  std::uint64_t remaining() const { return size_ - position_; }

  void need(std::uint64_t bytes, const std::string& what) const {
    if (bytes > remaining())
      fail(what + ": expected " + std::to_string(bytes) + " bytes at byte " +
           std::to_string(position_) + ", got the end of the file after " +
           std::to_string(remaining()));
  }

  template <typename T>
  T number(const std::string& what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_ + position_, sizeof value);
    position_ += sizeof(T);
    return value;
  }

  std::string text(const std::string& what) {
    const auto length = number<std::uint64_t>("length of " + what);
    if (length > detail::kGgufMaxCount)
      fail(what + ": expected at most 2^30 bytes, got " + std::to_string(length));
    need(length, what);
    std::string out(reinterpret_cast<const char*>(bytes_ + position_),
                    static_cast<std::size_t>(length));
    position_ += length;
    if (!is_utf8(out)) fail(what + ": expected UTF-8, got other bytes");
    return out;
  }

  template <typename T>
  T value(Tag<T>, const std::string& what) {
    return number<T>(what);
  }

  bool value(Tag<bool>, const std::string& what) {
    const auto byte = number<std::uint8_t>(what);
    if (byte > 1) fail(what + ": expected a boolean 0 or 1, got " + std::to_string(byte));
    return byte == 1;
  }

  std::string value(Tag<std::string>, const std::string& what) { return text(what); }

  template <typename T>
  std::vector<T> value(Tag<std::vector<T>>, const std::string& what) {
    const auto count = number<std::uint64_t>("count of " + what);
    if (count > detail::kGgufMaxCount)
      fail(what + ": expected at most 2^30 elements, got " + std::to_string(count));
    // A string takes at least its length, so that no count makes us allocate more than a multiple
    // of the file.
    need(count * (std::is_same_v<T, std::string> ? 8 : sizeof(T)), what);
    std::vector<T> out;
    out.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t k = 0; k < count; ++k) out.push_back(value(Tag<T>{}, what));
    return out;
  }

  std::monostate value(Tag<std::monostate>, const std::string& what) {
    fail(what + ": expected an array of scalars or strings, got an array of arrays");
  }

  GgufArray value(Tag<GgufArray>, const std::string& what) { return alternative<GgufArray>(what); }

  /// Reads the number of a type, then the value that it announces.
  template <typename Variant>
  Variant alternative(const std::string& what) {
    const auto type = number<std::uint32_t>("type of " + what);
    if (type >= std::variant_size_v<Variant>)
      fail("type of " + what + ": expected a number up to 12, got " + std::to_string(type));
    return alternative<Variant, 0>(type, what);
  }

  template <typename Variant, std::size_t kIndex>
  Variant alternative(std::uint32_t type, const std::string& what) {
    if (type == kIndex)
      return Variant(std::in_place_index<kIndex>,
                     value(Tag<std::variant_alternative_t<kIndex, Variant>>{}, what));
    if constexpr (kIndex + 1 < std::variant_size_v<Variant>) {
      return alternative<Variant, kIndex + 1>(type, what);
    } else {
      fail("type of " + what);  // alternative(what) has excluded it
    }
  }

  /// A count of things of which each takes at least `least` bytes of what follows.
  std::uint64_t count(const char* what, std::uint64_t least) {
    const auto out = number<std::uint64_t>(what);
    if (out > size_ / least)
      fail(std::string(what) + ": expected at most " + std::to_string(size_ / least) +
           " in a file of this size, got " + std::to_string(out));
    return out;
  }

  void read() {
    need(detail::kGgufMagic.size(), "magic");
    if (std::string_view(reinterpret_cast<const char*>(bytes_), 4) != detail::kGgufMagic)
      fail("magic: expected GGUF, got " + kind());
    position_ = detail::kGgufMagic.size();
    const auto version = number<std::uint32_t>("version");
    if ((version & 0xffffU) == 0)
      fail("version: expected a little-endian file, got one of the other byte order");
    if (version != 2 && version != detail::kGgufVersion)
      fail("version: expected 2 or 3, got " + std::to_string(version));
    const std::uint64_t tensors = count("number of tensors", 24);
    const std::uint64_t keys = count("number of keys", 13);
    read_metadata(keys);
    for (std::uint64_t k = 0; k < tensors; ++k) read_tensor(k);
    read_data();
  }

  /// What a file without the magic is.
  std::string kind() const {
    const std::string_view first(
        reinterpret_cast<const char*>(bytes_),
        static_cast<std::size_t>(std::min<std::uint64_t>(size_, detail::kKindBytes)));
    const std::string out = detail::kind_of_file(first);
    return out.empty() ? "other bytes" : out;
  }

  void read_metadata(std::uint64_t keys) {
    std::set<std::string> seen;
    for (std::uint64_t k = 0; k < keys; ++k) {
      std::string key = text("key " + std::to_string(k));
      if (key.empty()) fail("key " + std::to_string(k) + ": expected a name, got an empty one");
      if (key.find('\0') != std::string::npos)
        fail("key " + std::to_string(k) + ": expected no zero byte, got one");
      if (!seen.insert(key).second) fail("key " + key + ": expected one entry, got two");
      GgufValue value = alternative<GgufValue>("key " + key);
      metadata_.emplace_back(std::move(key), std::move(value));
    }
    if (find("general.alignment") != nullptr) alignment_ = get<std::uint32_t>("general.alignment");
    if (alignment_ == 0 || (alignment_ & (alignment_ - 1)) != 0)
      fail("general.alignment: expected a power of two, got " + std::to_string(alignment_));
  }

  void read_tensor(std::uint64_t index) {
    GgufTensor tensor;
    const std::string place = "tensor " + std::to_string(index);
    tensor.name = text("name of " + place);
    if (tensor.name.empty() || tensor.name.size() > detail::kGgufMaxName ||
        tensor.name.find('\0') != std::string::npos)
      fail("name of " + place + ": expected 1 to 63 bytes, none of them 0, got " +
           std::to_string(tensor.name.size()) + " bytes");
    if (!names_.insert(tensor.name).second)
      fail("tensor " + tensor.name + ": expected one of this name, got two");
    const std::string what = "tensor " + tensor.name;
    const auto dims = number<std::uint32_t>("dimensions of " + what);
    if (dims > detail::kGgufMaxDims)
      fail("dimensions of " + what + ": expected at most 4, got " + std::to_string(dims));
    for (std::uint32_t k = 0; k < dims; ++k)
      tensor.ne.push_back(number<std::uint64_t>("shape of " + what));
    const auto type = number<std::uint32_t>("type of " + what);
    const auto known = std::find_if(detail::kGgmlTypes.begin(), detail::kGgmlTypes.end(),
                                    [&](const auto& entry) { return entry.second == type; });
    if (known == detail::kGgmlTypes.end())
      fail("type of " + what +
           ": expected F32 (0), F16 (1), Q8_0 (8), F64 (28) or BF16 (30), got " +
           std::to_string(type));
    tensor.type = known->first;
    if (!detail::has_whole_blocks(tensor.ne, tensor.type))
      fail("shape of " + what + ": expected rows of whole blocks of 32 in Q8_0, got " +
           std::to_string(tensor.ne.empty() ? 1 : tensor.ne[0]));
    const auto bytes = detail::gguf_bytes(tensor.ne, tensor.type);
    if (!bytes) fail("shape of " + what + ": expected fewer than 2^63 bytes, got more");
    tensor.bytes = *bytes;
    tensor.offset = number<std::uint64_t>("offset of " + what);
    tensors_.push_back(std::move(tensor));
  }

  void read_data() {
    // ggml pads the header only where data follow.
    if (tensors_.empty()) return expect_end();
    skip_padding("header");
    const std::uint64_t start = position_;
    for (GgufTensor& tensor : tensors_) {
      if (tensor.offset != position_ - start)
        fail("offset of tensor " + tensor.name + ": expected " + std::to_string(position_ - start) +
             ", got " + std::to_string(tensor.offset));
      need(tensor.bytes, "data of tensor " + tensor.name);
      tensor.data = bytes_ + position_;
      position_ += tensor.bytes;
      skip_padding("tensor " + tensor.name);
    }
    expect_end();
  }

  void skip_padding(const std::string& what) {
    // Offsets count from the start of the data, which is a multiple of the alignment itself.
    const std::uint64_t end = detail::padded(position_, alignment_);
    need(end - position_, "padding after " + what);
    for (; position_ < end; ++position_)
      if (bytes_[position_] != 0)
        fail("padding after " + what + ": expected 0 at byte " + std::to_string(position_) +
             ", got " + std::to_string(bytes_[position_]));
  }

  void expect_end() const {
    if (remaining() != 0)
      fail("expected the end of the file at byte " + std::to_string(position_) + ", got " +
           std::to_string(remaining()) + " more");
  }

  const std::uint8_t* bytes_;
  std::uint64_t size_;
  std::string file_;
  std::uint64_t position_ = 0;
  std::uint32_t alignment_ = detail::kGgufDefaultAlignment;
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
  std::set<std::string> names_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
