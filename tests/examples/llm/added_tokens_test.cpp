// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/added_tokens.hpp"

#include "support/catch.hpp"

namespace {

using examples::llm::AddedToken;
using examples::llm::AddedTokens;
using examples::llm::SpecialTokens;

/// "text" for what lies between, "[text]" for tokens.
std::vector<std::string> parts_of(const AddedTokens& tokens, std::string_view text,
                                  SpecialTokens special = SpecialTokens::parse) {
  std::vector<std::string> out;
  tokens.split(text, special, [&](std::string_view part, const AddedToken* token) {
    out.push_back(token == nullptr ? std::string(part) : "[" + std::string(part) + "]");
  });
  return out;
}

}  // namespace

TEST_CASE("the longest added token at each place is found") {
  AddedTokens tokens;
  CHECK(tokens.add({1, "<a>", true, false, false}));
  CHECK(tokens.add({2, "<a><b>", true, false, false}));
  CHECK(tokens.add({3, "ab", false, false, false}));
  CHECK_FALSE(tokens.add({4, "ab", false, false, false}));
  CHECK(parts_of(tokens, "x<a><b><a>ab") ==
        std::vector<std::string>{"x", "[<a><b>]", "[<a>]", "[ab]"});
  CHECK(parts_of(tokens, "<a><b>aab", SpecialTokens::as_text) ==
        std::vector<std::string>{"<a><b>a", "[ab]"});
  CHECK(parts_of(tokens, "<a").front() == "<a");
  CHECK(parts_of(tokens, "").empty());
}

TEST_CASE("an added token may take white space along") {
  AddedTokens tokens;
  tokens.add({1, "<l>", true, true, false});
  tokens.add({2, "<r>", true, false, true});
  CHECK(parts_of(tokens, "a \xc2\xa0<l> b") ==
        std::vector<std::string>{"a", "[ \xc2\xa0<l>]", " b"});
  CHECK(parts_of(tokens, "a <r>\n  <l>b") ==
        std::vector<std::string>{"a ", "[<r>\n  ]", "[<l>]", "b"});
}
