// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Compiled alone and optimised: each key is compared with all before it.
#include <lorapro/io/json_document.hpp>

#include <string>  // std::to_string

#include "support/catch.hpp"

using lorapro::io::parse_document;
using nlohmann::json;
using nlohmann::ordered_json;

TEST_CASE("the order of keys, and how many", "[json_document]") {
  CHECK(parse_document<ordered_json>(R"({"b":1,"a":2})", "f").dump() == R"({"b":1,"a":2})");
  std::string many = "{\"\":0";
  // Of many lengths, which are compared first.
  for (int k = 0; k < 1 << 16; ++k)
    many += ",\"" + std::string(static_cast<std::size_t>(k % 97), '_') + std::to_string(k) + "\":0";
  many += '}';
  CHECK(parse_document<json>(many, "f").size() == (1 << 16) + 1);
  CHECK_THROWS_WITH(parse_document<ordered_json>(many, "f"),
                    "f: expected at most 65536 keys, got more");
}
