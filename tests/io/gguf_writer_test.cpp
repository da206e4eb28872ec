// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_writer.hpp>

#include "support/catch.hpp"
#include "support/gguf_bytes.hpp"

namespace {

using gguf_bytes::Bytes;
using lorapro::ConfigError;
using lorapro::io::GgufArray;
using lorapro::io::GgufReader;
using lorapro::io::GgufType;
using lorapro::io::GgufValue;
using lorapro::io::GgufWriter;

std::string written(const GgufWriter& writer) {
  std::string out;
  writer.write([&](const std::uint8_t* bytes, std::size_t size) {
    out.append(reinterpret_cast<const char*>(bytes), size);
  });
  return out;
}

void no_data(std::uint8_t*) {}

TEST_CASE("the GGUF writer's bytes are those of the format", "[gguf_writer]") {
  using namespace gguf_bytes;
  Bytes expected = Bytes().header(2, 6);
  expected.key("general.architecture", text).string("llama");
  expected.key("adapter.lora.alpha", f32).put(32.0F);
  expected.key("file_type", u32).put(std::uint32_t{1});
  expected.key("flag", boolean).put(std::uint8_t{1});
  expected.key("tokens", array).put(std::uint32_t{u32}).put(std::uint64_t{2}).put(3U).put(4U);
  expected.key("names", array).put(std::uint32_t{text}).put(std::uint64_t{1}).string("x");
  expected.tensor("w.lora_a", {3, 2}, 0, 0).tensor("w.lora_b", {2, 1}, 1, 32).pad();
  for (int k = 1; k <= 6; ++k) expected.put(static_cast<float>(k));
  expected.pad().put(std::uint16_t{0x3c00}).put(std::uint16_t{0xc000}).pad();

  GgufWriter writer;
  writer.add("general.architecture", std::string("llama"));
  writer.add("adapter.lora.alpha", 32.0F);
  writer.add("file_type", std::uint32_t{1});
  writer.add("flag", true);
  writer.add("tokens", GgufArray(std::vector<std::uint32_t>{3, 4}));
  writer.add("names", GgufArray(std::vector<std::string>{"x"}));
  writer.add_tensor("w.lora_a", {3, 2}, GgufType::f32, [](std::uint8_t* bytes) {
    const float values[6] = {1, 2, 3, 4, 5, 6};
    std::memcpy(bytes, values, sizeof values);
  });
  writer.add_tensor("w.lora_b", {2, 1}, GgufType::f16, [](std::uint8_t* bytes) {
    const std::uint16_t values[2] = {0x3c00, 0xc000};
    std::memcpy(bytes, values, sizeof values);
  });
  CHECK(written(writer) == expected.str());
}

TEST_CASE("what the GGUF writer wrote reads back", "[gguf_writer]") {
  GgufWriter writer;
  const std::vector<std::pair<std::string, GgufValue>> values{
      {"u8", std::uint8_t{1}},
      {"i8", std::int8_t{-1}},
      {"u16", std::uint16_t{2}},
      {"i16", std::int16_t{-2}},
      {"u32", std::uint32_t{3}},
      {"i32", std::int32_t{-3}},
      {"f32", 0.5F},
      {"bool", false},
      {"text", std::string("\xe2\x82\xac")},
      {"u64", std::uint64_t{4}},
      {"i64", std::int64_t{-4}},
      {"f64", 0.25},
      {"array", GgufArray(std::vector<double>{1, 2})},
      {"bools", GgufArray(std::vector<bool>{true, false, true})},
      {"empty", GgufArray(std::vector<std::string>{})}};
  for (const auto& [key, value] : values) writer.add(key, value);
  writer.add_tensor("none", {0, 5}, GgufType::f64, no_data);
  writer.add_tensor("one", {1}, GgufType::bf16, no_data);
  const std::string text = written(writer);
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  const GgufReader reader(bytes.data(), bytes.size());
  CHECK(reader.metadata() == values);
  REQUIRE(reader.tensors().size() == 2);
  CHECK(reader.tensors()[0].ne == std::vector<std::uint64_t>{0, 5});
  CHECK(reader.tensors()[1].type == GgufType::bf16);
  CHECK(reader.tensors()[1].offset == 0);
}

TEST_CASE("what GGUF cannot hold is refused", "[gguf_writer]") {
  GgufWriter writer;
  writer.add("key", true);
  CHECK_THROWS_AS(writer.add("key", false), ConfigError);
  CHECK_THROWS_AS(writer.add("", true), ConfigError);
  CHECK_THROWS_AS(writer.add(std::string("a\0b", 3), true), ConfigError);
  CHECK_THROWS_AS(writer.add("\xff", true), ConfigError);
  CHECK_THROWS_AS(writer.add("general.alignment", std::uint32_t{64}), ConfigError);
  writer.add_tensor("t", {1}, GgufType::f32, no_data);
  CHECK_THROWS_AS(writer.add_tensor("t", {1}, GgufType::f32, no_data), ConfigError);
  CHECK_THROWS_AS(writer.add_tensor(std::string(64, 't'), {1}, GgufType::f32, no_data),
                  ConfigError);
  CHECK_THROWS_AS(writer.add_tensor("u", {1, 1, 1, 1, 1}, GgufType::f32, no_data), ConfigError);
  CHECK_THROWS_AS(writer.add_tensor("u", {std::uint64_t{1} << 32, std::uint64_t{1} << 31},
                                    GgufType::f32, no_data),
                  ConfigError);
}

TEST_CASE("a value that GGUF cannot hold leaves the writer as it was", "[gguf_writer]") {
  GgufWriter writer;
  writer.add("key", true);
  const std::string before = written(writer);
  CHECK_THROWS_AS(writer.add("bad", std::string("\xff")), ConfigError);
  CHECK_THROWS_AS(writer.add("nested", GgufArray(std::monostate{})), ConfigError);
  CHECK(written(writer) == before);
}

}  // namespace
