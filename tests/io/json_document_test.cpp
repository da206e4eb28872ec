// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/json_document.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

using lorapro::FileError;
using lorapro::FormatError;
using lorapro::io::parse_document;
using lorapro::io::read_document;
using nlohmann::json;
using nlohmann::ordered_json;

TEMPLATE_TEST_CASE("strict JSON documents", "[json_document]", json, ordered_json) {
  const auto document = parse_document<TestType>(R"({"b": [1, {"x": 2}], "a": {"x": null}})", "f");
  CHECK(document["b"][1]["x"] == 2);
  CHECK(document["a"]["x"].is_null());
  const auto refused = [](const std::string& text, const std::string& message) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_document<TestType>(text, "f"), FormatError);
    CHECK_THROWS_WITH(parse_document<TestType>(text, "f"), contains_text(message));
  };
  refused("", "f: expected JSON, got an empty file");
  refused("{", "f: expected JSON in UTF-8");
  refused("{} x", "f: expected JSON in UTF-8");
  refused("{\"a\": NaN}", "f: expected JSON in UTF-8");
  refused("{\"a\": 1e999}", "f: expected JSON in UTF-8");
  refused("{\"a\": \"\xff\"}", "f: expected JSON in UTF-8");
  refused("[]", "f: expected a JSON object");
  refused("7", "f: expected a JSON object");
  refused(R"({"a": 1, "a": 2})", "key \"a\": expected one entry, got two");
  refused(R"({"b": [{"a": 1, "a": 1}]})", "key \"a\": expected one entry, got two");
  CHECK_NOTHROW(parse_document<TestType>(R"({"b": [{"a": 1}, {"a": 1}], "a": {}})", "f"));
}

TEST_CASE("deep JSON is refused before it is built", "[json_document]") {
  const auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']') + "}";
  };
  CHECK_NOTHROW(parse_document<json>(nested(31), "f"));
  CHECK_THROWS_WITH(parse_document<json>(nested(32), "f"),
                    "f: expected JSON nested at most 32 deep, got more");
  std::string deep = "{\"a\":";
  for (int k = 0; k < 1000000; ++k) deep += "{\"a\":";
  CHECK_THROWS_AS(parse_document<ordered_json>(deep, "f"), FormatError);
}

TEST_CASE("a document in a file", "[json_document]") {
  const ScratchFolder folder;
  const auto path = folder.write("x.json", "{\"a\": 1}\n");
  CHECK(read_document<json>(path)["a"] == 1);
  CHECK_THROWS_AS(read_document<json>(folder.path() / "none.json"), FileError);
  CHECK_THROWS_AS(read_document<json>(folder.path()), FileError);
  CHECK_THROWS_AS(read_document<json>(folder.write("empty.json", "")), FormatError);
}

TEST_CASE("what is no JSON at all is named as what it is", "[json_document]") {
  const auto message = [](const std::string& text) {
    return message_of<FormatError>([&] { parse_document<nlohmann::json>(text, "config.json"); });
  };
  CHECK(message("<!DOCTYPE html><html>") == "config.json: expected JSON, got an HTML page");
  CHECK(message("version https://git-lfs.github.com/spec/v1\n")
            .find("config.json: expected JSON, got a pointer of git LFS") == 0);
  CHECK(message("{\"a\": }").find("config.json: expected JSON in UTF-8 (") == 0);
}

}  // namespace
