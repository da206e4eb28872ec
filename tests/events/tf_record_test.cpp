// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/tf_record.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace {

using lorapro::events::crc32c;
using lorapro::events::masked_crc32c;

/// By the polynomial itself, a bit at a time.
std::uint32_t remainder_of(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const auto in = static_cast<std::uint32_t>(static_cast<unsigned char>(byte)) >> bit & 1;
      crc = (crc & 1) != in ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
    }
  return crc ^ 0xFFFFFFFF;
}

TEST_CASE("the check has the values of RFC 3720, appendix B.4", "[tf_record]") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43);
  std::string up, down;
  for (int i = 0; i < 32; ++i) {
    up += static_cast<char>(i);
    down += static_cast<char>(31 - i);
  }
  CHECK(crc32c(up) == 0x46DD794E);
  CHECK(crc32c(down) == 0x113FDB5C);
  const unsigned char read_command[48] = {
      0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
      0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0,    0};
  CHECK(crc32c({reinterpret_cast<const char*>(read_command), 48}) == 0xD9963A56);
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283);
}

TEST_CASE("the check is the remainder of the polynomial", "[tf_record]") {
  LORAPRO_TEST_RANDOM(random, 7);
  for (std::size_t size = 0; size < 300; ++size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(random.bits());
    if (crc32c(bytes) != remainder_of(bytes)) FAIL_CHECK(size);
  }
}

TEST_CASE("a check is turned by 15 bits and moved in a record", "[tf_record]") {
  CHECK(masked_crc32c("") == 0xA282EAD8);
  CHECK(masked_crc32c("123456789") == 0xC78AB0E5);
}

TEST_CASE("numbers have their least significant byte first", "[tf_record]") {
  std::string out = ":";
  lorapro::events::append_little_endian(out, 0x0102030405060708, 8);
  lorapro::events::append_little_endian(out, 0xF1F2F3F4, 4);
  CHECK(out == ":\x08\x07\x06\x05\x04\x03\x02\x01\xF4\xF3\xF2\xF1");
}

TEST_CASE("a record is length, check, payload, check", "[tf_record]") {
  using namespace std::string_literals;
  std::string out;
  lorapro::events::append_tf_record(out, "abc");
  const std::string abc =
      "\x03\x00\x00\x00\x00\x00\x00\x00\xb0\x99\x49\x0e"
      "abc\x6e\x57\xf1\x21"s;
  CHECK(out == abc);
  lorapro::events::append_tf_record(out, "");
  CHECK(out == abc + "\x00\x00\x00\x00\x00\x00\x00\x00\x29\x03\x98\x07\xd8\xea\x82\xa2"s);
}

}  // namespace
