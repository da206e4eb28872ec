// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/file_error.hpp>

#include <cstdint>
#include <cstring>  // std::memcpy
#include <string>
#include <string_view>

namespace examples::llm {

/// The fields of a message of protocol buffers, in their order.
/// \ref protobuf.dev, "Encoding".
class ProtobufMessage {
 public:
  /// \param bytes  the message; outlives this object and what it returns.
  /// \param place  the file and the part of it, for messages.
  ProtobufMessage(std::string_view bytes, std::string place)
      : bytes_(bytes), place_(std::move(place)) {}

  /// Goes on to the next field. \return false at the end. \throws FormatError.
  bool next() {
    if (at_ == bytes_.size()) return false;
    const std::uint64_t key = varint();
    field_ = key >> 3U;
    type_ = static_cast<unsigned>(key & 7U);
    if (field_ == 0 || field_ > kMostFields) fail("a field number from 1 to 536870911");
    switch (type_) {
      case kVarint:
        number_ = varint();
        break;
      case kFixed64:
        take(8);
        break;
      case kBytes:
        take(varint());
        break;
      case kFixed32:
        take(4);
        break;
      default:
        fail("a known type of field");
    }
    return true;
  }

  std::uint64_t field() const { return field_; }

  /// The value of the field. \throws FormatError (of another type).
  std::string_view bytes() const {
    expect(kBytes);
    return value_;
  }
  std::uint64_t number() const {
    expect(kVarint);
    return number_;
  }
  bool flag() const { return number() != 0; }
  float real() const {
    expect(kFixed32);
    float out;
    std::memcpy(&out, value_.data(), sizeof out);
    return out;
  }

  [[noreturn]] void fail(const std::string& expected) const {
    throw lorapro::FormatError(place_ + ": expected " + expected + " before byte " +
                               std::to_string(at_) + ", got something else");
  }

 private:
  static constexpr unsigned kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;
  static constexpr std::uint64_t kMostFields = 536870911;

  void expect(unsigned type) const {
    if (type_ != type)
      fail("field " + std::to_string(field_) + " to be of type " + std::to_string(type));
  }

  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) fail("the end of a number");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      out |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return out;
    }
    fail("a number of at most ten bytes");
  }

  void take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("a field within the message");
    value_ = bytes_.substr(at_, static_cast<std::size_t>(count));
    at_ += value_.size();
  }

  std::string_view bytes_;
  std::string place_;
  std::size_t at_ = 0;
  std::uint64_t field_ = 0, number_ = 0;
  unsigned type_ = 0;
  std::string_view value_;
};

}  // namespace examples::llm
