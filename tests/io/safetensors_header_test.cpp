// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/safetensors_header.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace io = lorapro::io;
using io::Dtype;
using io::SafetensorsHeader;
using io::TensorInfo;

SafetensorsHeader parse(const std::string& text, std::uint64_t data_bytes) {
  return io::parse_safetensors_header("f", text, data_bytes);
}

/// What is wrong with a header, without the name of the file.
std::string problem(const std::string& text, std::uint64_t data_bytes = 0) {
  const std::string message = message_of<io::FormatError>([&] { parse(text, data_bytes); });
  return message.substr(0, 3) == "f: " ? message.substr(3) : message;
}

/// A header with one tensor "w" whose entry has these members.
std::string entry(const std::string& members) { return "{\"w\":{" + members + "}}"; }
std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return entry("\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets);
}

TEST_CASE("a header with everything in it", "[io][safetensors_header]") {
  const auto header = parse(
      R"({"b":{"shape":[2,3],"data_offsets":[4,28],"dtype":"F32"}, "__metadata__" :{"k":"v","":""},)"
      R"("\u00e9\n":{"dtype":"BF16","shape":[],"data_offsets":[28,30]},)"
      R"("none":{"dtype":"U64","shape":[7,0],"data_offsets":[4,4]},)"
      R"("six":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[30,33]},)"
      R"("a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}}   )",
      33);
  CHECK(header.metadata == io::Metadata{{"k", "v"}, {"", ""}});
  REQUIRE(header.tensors.size() == 5);
  const char* const names[] = {"a", "none", "b", "\xc3\xa9\n", "six"};
  for (std::size_t i = 0; i < 5; ++i) CHECK(header.tensors[i].name == names[i]);
  CHECK(header.tensors[2].dtype == Dtype::f32);
  CHECK(header.tensors[2].shape == io::TensorShape{2, 3});
  CHECK(header.tensors[2].begin == 4);
  CHECK(header.tensors[2].end == 28);
  CHECK(header.tensors[2].count() == 6);
  CHECK(header.tensors[1].count() == 0);
  CHECK(header.tensors[3].count() == 1);
  CHECK(header.tensors[4].count() == 4);
  CHECK(parse("{}", 0).tensors.empty());
  CHECK(io::shape_text({}) == "()");
  CHECK(io::shape_text({16, 4096}) == "(16, 4096)");
}

TEST_CASE("every dtype in a header", "[io][safetensors_header]") {
  for (const io::DtypeInfo& dtype : io::kDtypes) {
    const auto bytes = std::to_string(dtype.bits);  // eight elements
    const auto text = entry('"' + std::string(dtype.name) + '"', "[2,4]", "[0," + bytes + "]");
    CHECK(parse(text, dtype.bits).tensors.at(0).dtype == dtype.dtype);
  }
}

TEST_CASE("the text around the object is checked", "[io][safetensors_header]") {
  const std::string first = "header: expected '{' as its first byte";
  const std::string behind = "header: expected nothing but spaces behind its object";
  for (const char* const text : {"", " {}", "\n{}", "[]", "null", "\"\"", "\xef\xbb\xbf{}"})
    CHECK(problem(text) == first);
  for (const char* const text : {"{}\n", "{}\t ", "{} x", "{}]"}) CHECK(problem(text) == behind);
  // Where a parser may take the end of its input.
  CHECK(problem(std::string("{}\0{}", 5)) == behind);
  CHECK(problem(std::string("{\0}", 3)) == behind);
  CHECK(problem(std::string("{}\0", 3)) == behind);
}

TEST_CASE("what is not JSON in UTF-8 is refused where it stands", "[io][safetensors_header]") {
  const auto refused = [](const std::string& text) {
    INFO(text);
    CHECK(problem(text).find("header: expected JSON in UTF-8, got something else at its byte ") ==
          0);
  };
  for (const char* const text : {"{}{}", "{} }", "{", "{\"a\"}", "{,}", "{\"a\":}", "{'a':1}",
                                 "{/**/}", "{\"__metadata__\":{}"})
    if (text[std::string_view(text).size() - 1] == '}') refused(text);
  CHECK(problem("{") == "header: expected nothing but spaces behind its object");
  for (const char* const bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3",
                                "\x01", "\\x", "\\ud800", "\\u12"}) {
    refused("{\"__metadata__\":{\"" + std::string(bad) + "\":\"\"}}");
    refused("{\"__metadata__\":{\"k\":\"" + std::string(bad) + "\"}}");
  }
  refused(entry("\"U8\"", "[01]", "[0,1]"));
  refused(entry("\"U8\"", "[+1]", "[0,1]"));
  refused(entry("\"U8\"", "[0x1]", "[0,1]"));
  refused(entry("\"U8\"", "[NaN]", "[0,1]"));
  refused(entry("\"U8\"", "[1,]", "[0,1]"));
}

TEST_CASE("a tensor of the metadata's name is told so", "[io][safetensors_header]") {
  const std::string told =
      "tensor \"__metadata__\": expected strings, as the format keeps this name for metadata, got "
      "a "
      "tensor";
  CHECK(problem(R"({"__metadata__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})") == told);
  CHECK(problem(R"({"__metadata__":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}})") == told);
  CHECK(problem(R"({"__metadata__":{"x":[1]}})") ==
        "tensor \"__metadata__\": \"x\": expected a string, got an array");
}

TEST_CASE("keys come once", "[io][safetensors_header]") {
  const std::string w = R"("w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(problem("{" + w + "," + w + "}") ==
        "tensor \"w\": expected one entry, got another of the same name");
  // The same name, spelled otherwise.
  CHECK(problem("{" + w + R"(,"\u0077":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})") ==
        "tensor \"w\": expected one entry, got another of the same name");
  CHECK(problem(R"({"__metadata__":{},"__metadata__":{}})") ==
        "tensor \"__metadata__\": expected one entry, got another of the same name");
  CHECK(problem(R"({"__metadata__":{"k":"1","k":"1"}})") ==
        "tensor \"__metadata__\": expected one \"k\", got another");
  for (const char* const again : {R"("dtype":"U8")", R"("shape":[0])", R"("data_offsets":[0,0])"})
    CHECK(problem(entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,0],)" + std::string(again)))
              .find("\", got another") != std::string::npos);
}

TEST_CASE("entries have their three members and no other", "[io][safetensors_header]") {
  CHECK(problem(entry("")) == "tensor \"w\": expected a dtype, got none");
  CHECK(problem(entry(R"("shape":[],"data_offsets":[0,0])")) ==
        "tensor \"w\": expected a dtype, got none");
  CHECK(problem(entry(R"("dtype":"U8","data_offsets":[0,0])")) ==
        "tensor \"w\": expected a shape, got none");
  CHECK(problem(entry(R"("dtype":"U8","shape":[])")) ==
        "tensor \"w\": expected a data_offsets, got none");
  CHECK(problem(entry(R"("dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1)")) ==
        "tensor \"w\": expected dtype, shape and data_offsets, got \"x\"");
}

TEST_CASE("values have the types of the format", "[io][safetensors_header]") {
  for (const char* const value : {"null", "true", "1", "-1", "1.5", "[]", "\"x\""}) {
    INFO(value);
    CHECK(problem("{\"w\":" + std::string(value) + "}")
              .find("tensor \"w\": expected an object, got ") == 0);
    CHECK(problem("{\"__metadata__\":" + std::string(value) + "}")
              .find("tensor \"__metadata__\": expected an object, got ") == 0);
  }
  for (const char* const value : {"null", "true", "1", "-1", "1.5", "[]", "{}"})
    CHECK(problem("{\"__metadata__\":{\"k\":" + std::string(value) + "}}")
              .find("tensor \"__metadata__\": \"k\": expected a string, got ") == 0);
  for (const char* const value : {"null", "true", "1", "-1", "1.5", "[]", "{}"})
    CHECK(
        problem(entry(value, "[]", "[0,1]")).find("tensor \"w\": dtype: expected a string, got ") ==
        0);
  CHECK(problem(entry("\"f32\"", "[]", "[0,4]")) ==
        "tensor \"w\": dtype: expected one of the format, got \"f32\"");
  for (const char* const value : {"null", "true", "1", "-1", "1.5", "{}", "\"x\""}) {
    CHECK(problem(entry("\"U8\"", value, "[0,1]"))
              .find("tensor \"w\": shape: expected an array, got ") == 0);
    CHECK(problem(entry("\"U8\"", "[]", value))
              .find("tensor \"w\": data_offsets: expected an array, got ") == 0);
  }
  for (const char* const value :
       {"null", "true", "-1", "-0", "1.0", "1e0", "18446744073709551616", "[]", "{}", "\"x\""}) {
    INFO(value);
    CHECK(problem(entry("\"U8\"", "[" + std::string(value) + "]", "[0,1]"))
              .find("tensor \"w\": shape: expected whole numbers, got ") == 0);
    CHECK(problem(entry("\"U8\"", "[]", "[0," + std::string(value) + "]"))
              .find("tensor \"w\": data_offsets: expected two whole numbers, got ") == 0);
  }
  CHECK(problem(entry("\"U8\"", "[]", "[0]")) ==
        "tensor \"w\": data_offsets: expected two, got fewer");
  CHECK(problem(entry("\"U8\"", "[]", "[]")) ==
        "tensor \"w\": data_offsets: expected two, got fewer");
  CHECK(problem(entry("\"U8\"", "[]", "[0,1,1]")) ==
        "tensor \"w\": data_offsets: expected two whole numbers, got a number");
}

TEST_CASE("no nesting is followed", "[io][safetensors_header]") {
  const std::string deep(1000000, '[');
  CHECK(problem("{\"w\":" + deep + "}") == "tensor \"w\": expected an object, got an array");
  CHECK(problem(entry("\"U8\"", deep, "[0,1]")) ==
        "tensor \"w\": shape: expected whole numbers, got an array");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"w\":";
  CHECK(problem(objects + "}") ==
        "tensor \"w\": expected dtype, shape and data_offsets, got \"w\"");
}

TEST_CASE("bytes follow one another without hole or overlap", "[io][safetensors_header]") {
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  CHECK(parse(two("[0,4]", "[4,8]"), 8).tensors.size() == 2);
  CHECK(parse(two("[4,8]", "[0,4]"), 8).tensors[0].name == "b");
  const std::string rule = ": data_offsets: expected a begin of ";
  CHECK(problem(two("[0,4]", "[3,7]"), 7) ==
        "tensor \"b\"" + rule + "4 and an end not before it, got [3, 7]");
  CHECK(problem(two("[0,4]", "[0,4]"), 4).find("\"" + rule + "4 and") != std::string::npos);
  CHECK(problem(two("[0,4]", "[5,9]"), 9) ==
        "tensor \"b\"" + rule + "4 and an end not before it, got [5, 9]");
  CHECK(problem(two("[1,5]", "[5,9]"), 9) ==
        "tensor \"a\"" + rule + "0 and an end not before it, got [1, 5]");
  CHECK(problem(two("[0,4]", "[4,3]"), 8) ==
        "tensor \"b\"" + rule + "4 and an end not before it, got [4, 3]");
  CHECK(problem(two("[0,4]", "[18446744073709551615,3]"), 8).find("tensor \"b\"" + rule) == 0);
  CHECK(problem(two("[0,4]", "[4,8]"), 9) == "data: expected 8 bytes as the header says, got 9");
  CHECK(problem(two("[0,4]", "[4,8]"), 7) == "data: expected 8 bytes as the header says, got 7");
  CHECK(problem("{}", 1) == "data: expected 0 bytes as the header says, got 1");
}

TEST_CASE("sizes are those of the shapes", "[io][safetensors_header]") {
  CHECK(problem(entry("\"F32\"", "[2,3]", "[0,23]"), 23) ==
        "tensor \"w\": data_offsets: expected 24 bytes for (2, 3) of F32, got 23");
  CHECK(problem(entry("\"F32\"", "[]", "[0,8]"), 8) ==
        "tensor \"w\": data_offsets: expected 4 bytes for () of F32, got 8");
  CHECK(problem(entry("\"F64\"", "[0]", "[0,8]"), 8) ==
        "tensor \"w\": data_offsets: expected 0 bytes for (0) of F64, got 8");
  CHECK(problem(entry("\"F4\"", "[3]", "[0,2]"), 2) ==
        "tensor \"w\": expected whole bytes, got the shape (3) of F4");
  CHECK(problem(entry("\"F6_E3M2\"", "[2]", "[0,2]"), 2) ==
        "tensor \"w\": expected whole bytes, got the shape (2) of F6_E3M2");
  CHECK(problem(entry("\"U8\"", "[4294967296,4294967296]", "[0,0]")) ==
        "tensor \"w\": expected a number of elements below 2^64, got the shape (4294967296, "
        "4294967296)");
  // The bits wrap around to the 8 bytes that are there.
  CHECK(problem(entry("\"F64\"", "[288230376151711745]", "[0,8]"), 8) ==
        "tensor \"w\": expected a number of bits below 2^64, got the shape (288230376151711745)");
  // As many bytes as a 64-bit number can tell, in a file that has none of them.
  CHECK(problem(entry("\"U8\"", "[2305843009213693951]", "[0,2305843009213693951]")) ==
        "data: expected 2305843009213693951 bytes as the header says, got 0");
}

TEST_CASE("the text of a header is parsed as that header", "[io][safetensors_header]") {
  SafetensorsHeader header;
  CHECK(io::safetensors_header_text(header) == "{}      ");
  header.metadata = {{"format", "pt"}, {"\"", "\\\n\x01\xc3\xa9"}};
  header.tensors = {{"a", Dtype::f64, {2, 1}, 0, 16}, {"\t", Dtype::u8, {}, 16, 17}};
  const std::string text = io::safetensors_header_text(header);
  CHECK(text.size() % 8 == 0);
  const auto back = parse(text, 17);
  CHECK(back.metadata == header.metadata);
  REQUIRE(back.tensors.size() == 2);
  CHECK(back.tensors[0].shape == io::TensorShape{2, 1});
  CHECK(back.tensors[1].name == "\t");
  CHECK(back.tensors[1].dtype == Dtype::u8);
}

TEST_CASE("a header that cannot be is refused", "[io][safetensors_header]") {
  SafetensorsHeader header;
  header.metadata = {{"\xff", ""}};
  CHECK(message_of<lorapro::ConfigError>([&] { io::safetensors_header_text(header); }) ==
        R"(name: expected UTF-8, got "\ufffd")");
  header.metadata = {{"", std::string(SafetensorsHeader::kLargestLength, 'x')}};
  CHECK(message_of<lorapro::ConfigError>([&] { io::safetensors_header_text(header); }) ==
        "tensors: expected a header of at most 100000000 bytes, got 100000024");
}

}  // namespace
