// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_types.hpp>

#include "support/catch.hpp"
#include "support/gguf_bytes.hpp"

namespace {

namespace io = lorapro::io;
using io::GgufTensor;
using io::GgufType;
using lorapro::StorageType;

/// A vector of `count` numbers in memory that begins at an odd address.
struct UnalignedVector {
  UnalignedVector(GgufType type, const gguf_bytes::Bytes& numbers, std::uint64_t count)
      : bytes("x" + numbers.str()) {
    tensor.type = type;
    tensor.ne = {count};
    tensor.bytes = numbers.str().size();
    tensor.data = reinterpret_cast<const std::uint8_t*>(bytes.data()) + 1;
  }
  std::string bytes;
  GgufTensor tensor;
};

TEST_CASE("the alternatives of a GGUF value stand at their types' numbers", "[gguf_types]") {
  CHECK(io::GgufValue(std::uint8_t{1}).index() == gguf_bytes::u8);
  CHECK(io::GgufValue(1.0F).index() == gguf_bytes::f32);
  CHECK(io::GgufValue(true).index() == gguf_bytes::boolean);
  CHECK(io::GgufValue(std::string("a")).index() == gguf_bytes::text);
  CHECK(io::GgufValue(io::GgufArray()).index() == gguf_bytes::array);
  CHECK(io::GgufValue(1.0).index() == gguf_bytes::f64);
  CHECK(io::GgufArray(std::vector<std::string>()).index() == gguf_bytes::text);
  CHECK(io::GgufArray(std::vector<bool>()).index() == gguf_bytes::boolean);
  CHECK(io::GgufArray(std::vector<double>()).index() == gguf_bytes::f64);
}

TEST_CASE("types of single numbers are storage types, blocks are none", "[gguf_types]") {
  for (const StorageType type :
       {StorageType::f64, StorageType::f32, StorageType::f16, StorageType::bf16})
    CHECK(io::storage_type_of(io::gguf_type_of(type)) == type);
  CHECK_FALSE(io::storage_type_of(GgufType::q8_0).has_value());
}

TEST_CASE("bytes of a tensor, and where there are too many", "[gguf_types]") {
  using io::detail::gguf_bytes;
  CHECK(gguf_bytes({}, GgufType::f64) == 8);
  CHECK(gguf_bytes({3, 5}, GgufType::f16) == 30);
  CHECK(gguf_bytes({64, 5}, GgufType::q8_0) == 2 * 5 * 34);
  const std::uint64_t large = std::uint64_t{1} << 31;
  CHECK(gguf_bytes({large, large - 1}, GgufType::bf16) == 2 * large * (large - 1));
  CHECK_FALSE(gguf_bytes({large, large}, GgufType::bf16).has_value());
  CHECK_FALSE(gguf_bytes({~std::uint64_t{0}}, GgufType::f32).has_value());
  CHECK(gguf_bytes({large, large, 0, large}, GgufType::f64) == 0);
  CHECK(io::detail::padded(0, 32) == 0);
  CHECK(io::detail::padded(1, 32) == 32);
  CHECK(io::detail::padded(64, 32) == 64);
}

TEST_CASE("rows of Q8_0 have whole blocks", "[gguf_types]") {
  using io::detail::has_whole_blocks;
  CHECK(has_whole_blocks({64, 3}, GgufType::q8_0));
  CHECK_FALSE(has_whole_blocks({3, 64}, GgufType::q8_0));
  CHECK_FALSE(has_whole_blocks({}, GgufType::q8_0));
  CHECK(has_whole_blocks({3, 64}, GgufType::f32));
  CHECK(has_whole_blocks({}, GgufType::f32));
}

TEST_CASE("numbers of every type are read from any address", "[gguf_types]") {
  using gguf_bytes::Bytes;
  const Bytes f16 =
      Bytes().put(std::uint16_t{0x3c00}).put(std::uint16_t{0xc000}).put(std::uint16_t{0x3800});
  const Bytes bf16 =
      Bytes().put(std::uint16_t{0x3f80}).put(std::uint16_t{0xc000}).put(std::uint16_t{0x3f00});
  const Bytes f32 = Bytes().put(1.0F).put(-2.0F).put(0.5F);
  const Bytes f64 = Bytes().put(1.0).put(-2.0).put(0.5);
  for (const auto& [type, bytes] : {std::pair{GgufType::f16, &f16},
                                    {GgufType::bf16, &bf16},
                                    {GgufType::f32, &f32},
                                    {GgufType::f64, &f64}}) {
    const UnalignedVector vector(type, *bytes, 3);
    float all[3];
    io::read_gguf(vector.tensor, 0, 3, all);
    CHECK(all[0] == 1);
    CHECK(all[1] == -2);
    CHECK(all[2] == 0.5F);
    double last[1];
    io::read_gguf(vector.tensor, 2, 1, last);
    CHECK(last[0] == 0.5);
  }
}

TEST_CASE("blocks of Q8_0 are read as a scale times signed bytes", "[gguf_types]") {
  gguf_bytes::Bytes bytes;
  bytes.put(std::uint16_t{0x3800});  // a half, 0.5
  for (int i = 0; i < 32; ++i) bytes.put(static_cast<std::int8_t>(i - 16));
  bytes.put(std::uint16_t{0xc000});  // -2
  for (int i = 0; i < 32; ++i) bytes.put(static_cast<std::int8_t>(4 * i - 128));
  const UnalignedVector vector(GgufType::q8_0, bytes, 64);
  std::vector<double> all(64);
  io::read_gguf(vector.tensor, 0, 64, all.data());
  for (int i = 0; i < 32; ++i) {
    CHECK(all[static_cast<std::size_t>(i)] == 0.5 * (i - 16));
    CHECK(all[static_cast<std::size_t>(32 + i)] == -2.0 * (4 * i - 128));
  }
  float some[3];
  io::read_gguf(vector.tensor, 31, 3, some);
  CHECK(some[0] == 7.5F);
  CHECK(some[1] == 256);
  CHECK(some[2] == 248);
}

}  // namespace
