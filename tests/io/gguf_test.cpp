// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf.hpp>

#include <limits>

#include "support/catch.hpp"
#include "support/gguf_bytes.hpp"

namespace {

using gguf_bytes::Bytes;
using lorapro::FormatError;
using lorapro::io::GgufArray;
using lorapro::io::GgufReader;
using lorapro::io::GgufType;

/// A reader together with its bytes, of which nothing lies behind the last one.
struct Parsed {
  explicit Parsed(const std::string& text)
      : bytes(text.begin(), text.end()), reader(bytes.data(), bytes.size(), "x.gguf") {}
  std::vector<std::uint8_t> bytes;
  GgufReader reader;
};

void refused(const Bytes& bytes, const std::string& message) {
  CHECK_THROWS_AS(Parsed(bytes.str()), FormatError);
  CHECK_THROWS_WITH(Parsed(bytes.str()), contains_text("x.gguf: ") && contains_text(message));
}

Bytes header(std::uint64_t tensors, std::uint64_t keys) { return Bytes().header(tensors, keys); }

/// One value of each type, and two tensors.
Bytes sample() {
  using namespace gguf_bytes;
  Bytes out = header(2, 15);
  out.key("a", u8).put(std::uint8_t{200});
  out.key("b", i8).put(std::int8_t{-3});
  out.key("c", u16).put(std::uint16_t{60000});
  out.key("d", i16).put(std::int16_t{-30000});
  out.key("e", u32).put(std::uint32_t{4000000000U});
  out.key("f", i32).put(std::int32_t{-2000000000});
  out.key("g", f32).put(1.5F);
  out.key("h", boolean).put(std::uint8_t{1});
  out.key("i", text).string("caf\xc3\xa9");
  out.key("j", array).put(std::uint32_t{u32}).put(std::uint64_t{2}).put(7U).put(8U);
  out.key("k", array).put(std::uint32_t{text}).put(std::uint64_t{2}).string("x").string("");
  out.key("l", array).put(std::uint32_t{boolean}).put(std::uint64_t{2}).raw(std::string("\1\0", 2));
  out.key("m", u64).put(std::uint64_t{1} << 63);
  out.key("n", i64).put(std::int64_t{-5});
  out.key("o", f64).put(0.1);
  out.tensor("first", {3, 2}, 0, 0).tensor("second", {5}, 30, 32).pad();
  for (int k = 1; k <= 6; ++k) out.put(static_cast<float>(k));
  out.pad();
  for (const int bits : {0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0})
    out.put(static_cast<std::uint16_t>(bits));
  return out.pad();
}

TEST_CASE("a GGUF file of every type", "[gguf]") {
  const Parsed file(sample().str());
  const GgufReader& reader = file.reader;
  CHECK(reader.metadata().size() == 15);
  CHECK(reader.metadata()[1].first == "b");
  CHECK(reader.get<std::uint8_t>("a") == 200);
  CHECK(reader.get<std::int8_t>("b") == -3);
  CHECK(reader.get<std::uint16_t>("c") == 60000);
  CHECK(reader.get<std::int16_t>("d") == -30000);
  CHECK(reader.get<std::uint32_t>("e") == 4000000000U);
  CHECK(reader.get<std::int32_t>("f") == -2000000000);
  CHECK(reader.get<float>("g") == 1.5F);
  CHECK(reader.get<bool>("h"));
  CHECK(reader.get<std::string>("i") == "caf\xc3\xa9");
  CHECK(std::get<std::vector<std::uint32_t>>(reader.get<GgufArray>("j")) ==
        std::vector<std::uint32_t>{7, 8});
  CHECK(std::get<std::vector<std::string>>(reader.get<GgufArray>("k")) ==
        std::vector<std::string>{"x", ""});
  CHECK(std::get<std::vector<bool>>(reader.get<GgufArray>("l")) == std::vector<bool>{true, false});
  CHECK(reader.get<std::uint64_t>("m") == std::uint64_t{1} << 63);
  CHECK(reader.get<std::int64_t>("n") == -5);
  CHECK(reader.get<double>("o") == 0.1);
  CHECK(reader.find("p") == nullptr);
  CHECK_THROWS_WITH(reader.get<float>("p"), "x.gguf: expected the key p, got none");
  CHECK_THROWS_WITH(reader.get<float>("o"), "x.gguf: key o: expected type 6, got type 12");

  REQUIRE(reader.tensors().size() == 2);
  const auto& first = reader.tensors()[0];
  CHECK(first.name == "first");
  CHECK(first.ne == std::vector<std::uint64_t>{3, 2});
  CHECK(first.type == GgufType::f32);
  CHECK(first.bytes == 24);
  float sixth = 0;
  std::memcpy(&sixth, first.data + 20, 4);
  CHECK(sixth == 6);
  const auto& second = reader.tensors()[1];
  CHECK(second.type == GgufType::bf16);
  CHECK(second.bytes == 10);
  CHECK(second.offset == 32);
  CHECK(second.data[9] == 0x40);
}

TEST_CASE("a tensor of Q8_0 has blocks of 34 bytes", "[gguf]") {
  const Parsed file(
      header(1, 0).tensor("q", {32, 2}, 8, 0).pad().raw(std::string(68, 'x')).pad().str());
  const auto& tensor = file.reader.tensors().front();
  CHECK(tensor.type == GgufType::q8_0);
  CHECK(tensor.bytes == 68);
}

TEST_CASE("a GGUF file cut anywhere is refused", "[gguf]") {
  const std::string whole = sample().str();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(Parsed(whole.substr(0, size)), FormatError);
  }
  refused(sample().raw("x"), "expected the end of the file at byte");
}

TEST_CASE("a GGUF file with any byte changed is read or refused, never more", "[gguf]") {
  const std::string whole = sample().str();
  int read = 0;
  for (std::size_t k = 0; k < whole.size(); ++k)
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string changed = whole;
      changed[k] = static_cast<char>(changed[k] ^ flip);
      try {
        const Parsed file(changed);
        ++read;
      } catch (const FormatError&) {
      }
    }
  CHECK(read > 100);  // numbers and names may be others
}

TEST_CASE("an empty GGUF file, and version 2", "[gguf]") {
  CHECK(Parsed(header(0, 0).str()).reader.tensors().empty());
  CHECK(Parsed(Bytes().header(0, 0, 2).str()).reader.metadata().empty());
}

TEST_CASE("the rules of the GGUF header, broken one at a time", "[gguf]") {
  using namespace gguf_bytes;
  refused(Bytes().raw("GGUX"), "magic: expected GGUF");
  refused(Bytes().header(0, 0, 1), "version: expected 2 or 3, got 1");
  refused(Bytes().header(0, 0, 4), "version: expected 2 or 3, got 4");
  refused(Bytes().header(0, 0, 0x03000000), "other byte order");
  refused(header(0, 1).key("", u8).put('x'), "key 0: expected a name");
  refused(header(0, 1).key(std::string("a\0b", 3), u8).put('x'), "expected no zero byte");
  refused(header(0, 1).key("\xff", u8).put('x'), "key 0: expected UTF-8");
  refused(header(0, 2).key("a", u8).put('x').key("a", u8).put('x'), "expected one entry, got two");
  refused(header(0, 1).key("abc", static_cast<Type>(13)).put('x'), "up to 12, got 13");
  refused(header(0, 1).key("abc", boolean).put(std::uint8_t{2}), "a boolean 0 or 1, got 2");
  refused(header(0, 1).key("abc", text).string("\xed\xa0\x80"), "key abc: expected UTF-8");
  refused(header(0, 1).key("abc", array).put(std::uint32_t{array}).put(std::uint64_t{0}),
          "got an array of arrays");
  refused(header(0, 1).key("general.alignment", u64).put(std::uint64_t{32}),
          "expected type 4, got type 10");
  for (const std::uint32_t alignment : {0U, 24U, 33U})
    refused(header(0, 1).key("general.alignment", u32).put(alignment), "a power of two");
}

TEST_CASE("huge counts allocate nothing", "[gguf]") {
  using namespace gguf_bytes;
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t count : {huge, huge / 2, std::uint64_t{1} << 40, std::uint64_t{1000}}) {
    CAPTURE(count);
    refused(header(count, 0).pad(64), "number of tensors: expected at most");
    refused(header(0, count).pad(64), "number of keys: expected at most");
  }
  for (const std::uint64_t count : {huge, std::uint64_t{1} << 31}) {
    refused(header(0, 1).put(count).pad(64), "expected at most 2^30 bytes");
    refused(header(0, 1).key("abc", text).put(count).pad(64), "expected at most 2^30 bytes");
    refused(header(0, 1).key("abc", array).put(std::uint32_t{u8}).put(count),
            "expected at most 2^30 elements");
  }
  refused(header(0, 1).key("abc", text).put(std::uint64_t{1} << 30),
          "key abc: expected 1073741824");
  for (const Type type : {u8, boolean, text, f64})
    refused(header(0, 1).key("abc", array).put(std::uint32_t{type}).put(std::uint64_t{1} << 29),
            "key abc: expected ");
}

TEST_CASE("the rules of GGUF tensors, broken one at a time", "[gguf]") {
  const auto one = [](const std::string& name, const std::vector<std::uint64_t>& ne,
                      std::uint32_t type = 0, std::uint64_t offset = 0) {
    return header(1, 0).tensor(name, ne, type, offset).pad().raw(std::string(32, '\0'));
  };
  CHECK_NOTHROW(Parsed(one(std::string(63, 'n'), {8}).str()));
  CHECK_NOTHROW(Parsed(one("scalar", {}).str()));
  CHECK_NOTHROW(Parsed(one("four", {1, 2, 2, 2}).str()));
  CHECK_NOTHROW(Parsed(one("half", {16}, 1).str()));
  CHECK_NOTHROW(Parsed(one("double", {4}, 28).str()));
  CHECK(Parsed(header(1, 0).tensor("none", {0, 1U << 31U, 1U << 31U, 1U << 31U}, 0, 0).pad().str())
            .reader.tensors()[0]
            .bytes == 0);
  refused(one(std::string(64, 'n'), {8}), "name of tensor 0: expected 1 to 63 bytes");
  refused(one("", {8}), "name of tensor 0: expected 1 to 63 bytes");
  refused(one(std::string("a\0", 2), {8}), "name of tensor 0: expected 1 to 63 bytes");
  refused(one("five", {1, 1, 1, 1, 1}), "dimensions of tensor five: expected at most 4, got 5");
  refused(one("quantised", {32}, 12), "BF16 (30), got 12");
  refused(one("blocks", {33}, 8), "shape of tensor blocks: expected rows of whole blocks of 32");
  refused(one("blocks", {}, 8), "shape of tensor blocks: expected rows of whole blocks of 32");
  refused(one("blocks", {std::uint64_t{1} << 63, 32}, 8), "expected fewer than 2^63");
  refused(one("blocks", {32}, 8), "data of tensor blocks: expected 34 bytes");
  refused(one("late", {8}, 0, 32), "offset of tensor late: expected 0, got 32");
  refused(one("large", {16}), "data of tensor large: expected 64 bytes");
  refused(one("small", {1, 1}).raw(std::string(32, '\0')), "expected the end of the file");
  refused(one("over", {std::uint64_t{1} << 62}), "shape of tensor over: expected fewer than 2^63");
  refused(one("over", {1U << 31U, 1U << 31U, 8}), "shape of tensor over: expected fewer than 2^63");
  refused(one("minus", {~std::uint64_t{0}}), "shape of tensor minus: expected fewer than 2^63");
  refused(header(2, 0).tensor("a", {1}, 0, 0).tensor("a", {1}, 0, 32).pad(),
          "tensor a: expected one of this name, got two");
  refused(header(1, 0).tensor("a", {8}, 0, 0).put('x').pad().raw(std::string(32, '\0')),
          "padding after header: expected 0 at byte ");
  refused(header(1, 0).tensor("a", {7}, 0, 0).pad().raw(std::string(31, '\0')).put('x'),
          "padding after tensor a: expected 0 at byte ");
}

TEST_CASE("another alignment", "[gguf]") {
  using namespace gguf_bytes;
  const Bytes bytes = header(2, 1)
                          .key("general.alignment", u32)
                          .put(std::uint32_t{8})
                          .tensor("a", {1}, 0, 0)
                          .tensor("b", {1}, 0, 8)
                          .pad(8)
                          .put(2.0F)
                          .pad(8)
                          .put(3.0F)
                          .pad(8);
  const Parsed file(bytes.str());
  CHECK(file.reader.alignment() == 8);
  CHECK(file.reader.tensors()[1].data == file.bytes.data() + bytes.str().size() - 8);
}

}  // namespace
