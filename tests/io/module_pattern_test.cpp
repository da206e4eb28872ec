// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/module_pattern.hpp>

#include <regex>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace {

using lorapro::io::ModulePattern;

bool whole(const std::string& pattern, const std::string& path) {
  return ModulePattern(pattern).matches_whole(path);
}
bool suffix(const std::string& pattern, const std::string& path) {
  return ModulePattern(pattern).matches_suffix(path);
}

TEST_CASE("patterns of module paths", "[module_pattern]") {
  CHECK(whole("q_proj", "q_proj"));
  CHECK_FALSE(whole("q_proj", "a.q_proj"));
  CHECK_FALSE(whole("q_proj", "q_projx"));
  CHECK(whole(R"(model\.layers\.\d+\.mlp\..*)", "model.layers.12.mlp.up_proj"));
  CHECK_FALSE(whole(R"(model\.layers\.\d+\.mlp\..*)", "modelxlayers.12.mlp.up_proj"));
  CHECK(whole(R"(.*\.(q_proj|v_proj))", "model.layers.0.self_attn.v_proj"));
  CHECK_FALSE(whole(R"(.*\.(q_proj|v_proj))", "model.layers.0.self_attn.k_proj"));
  CHECK(whole("(?:a|b)+c?", "abba"));
  CHECK(whole("[a-c_]*[^0-9]", "cab_x"));
  CHECK_FALSE(whole("[a-c_]*[^0-9]", "cab_7"));
  CHECK(whole("[]x-]+", "]x-"));
  CHECK(whole("a|", ""));
  CHECK(whole("^a$", "a"));
  CHECK_FALSE(whole("b^a", "ba"));
  CHECK(whole(R"(\w+\W\S\s\D)", "ab1.x yz") == false);
  CHECK(whole(R"(\w+\W\S\s\D)", "ab1.x y"));
  CHECK(whole("a+?", "aaa"));
  CHECK(whole(R"(model\.layers\.\d{1,2}\.(q|v)_proj)", "model.layers.31.v_proj"));
  CHECK_FALSE(whole(R"(model\.layers\.\d{1,2}\.(q|v)_proj)", "model.layers.131.v_proj"));
}

TEST_CASE("a pattern's key matches a path's end behind a dot", "[module_pattern]") {
  CHECK(suffix("q_proj", "q_proj"));
  CHECK(suffix("q_proj", "model.layers.0.self_attn.q_proj"));
  CHECK_FALSE(suffix("q_proj", "model.xq_proj"));
  CHECK_FALSE(suffix("q_proj", "model.q_proj.x"));
  CHECK(suffix("layers.1.q", "model.layers.1.q"));
  CHECK_FALSE(suffix("layers.1.q", "model.layers.11.q"));
  CHECK(suffix("layers.1.q", "model.layersx1.q"));  // a dot is any character
  CHECK(suffix("^model.q", "model.q"));
  CHECK_FALSE(suffix("^q", "model.q"));
  CHECK(suffix("k|q", "model.q"));
  CHECK_FALSE(suffix("k|q", "modelq"));
  CHECK(suffix("", "a."));
}

TEST_CASE("random patterns match what std::regex matches", "[module_pattern]") {
  LORAPRO_TEST_RANDOM(random, 5);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random.bits() % n); };
  int matched = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string pattern, path;
    int open = 0;
    bool repeatable = false;
    const std::size_t length = 1 + pick(8);
    for (std::size_t k = 0; k < length; ++k) {
      const std::size_t kind = pick(9);
      if (kind < 4) {
        pattern += "ab.c"[kind];
        repeatable = true;
      } else if (kind == 4) {
        pattern += "(";
        ++open;
        repeatable = false;
      } else if (kind == 5 && open > 0 && repeatable) {
        pattern += ")";
        --open;
      } else if (kind == 6 && repeatable) {
        const char* const counts[] = {"*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}"};
        pattern += counts[pick(7)];
        repeatable = false;
      } else if (kind == 7 && repeatable) {
        pattern += "|";
        repeatable = false;
      } else {
        pattern += "[ab]";
        repeatable = true;
      }
    }
    if (!repeatable && !pattern.empty() &&
        std::string("*+?}").find(pattern.back()) == std::string::npos)
      pattern += 'b';
    pattern += std::string(static_cast<std::size_t>(open), ')');
    for (std::size_t k = pick(7); k > 0; --k) path += "abc."[pick(4)];
    CAPTURE(pattern, path);
    const bool expected = std::regex_match(path, std::regex(pattern));
    CHECK(whole(pattern, path) == expected);
    CHECK(suffix(pattern, path) == std::regex_match(path, std::regex("(.*\\.)?(" + pattern + ")")));
    matched += expected ? 1 : 0;
  }
  CHECK(matched > 200);
}

TEST_CASE("a pattern that is not understood is none", "[module_pattern]") {
  CHECK(ModulePattern::understood("a.b")->matches_whole("axb"));
  CHECK_FALSE(ModulePattern::understood("(?!a)b"));
  CHECK_FALSE(ModulePattern::understood("("));
}

TEST_CASE("no pattern takes exponential time or a deep stack", "[module_pattern]") {
  CHECK_FALSE(whole("(a*)*b", std::string(2000, 'a')));
  CHECK_FALSE(whole("(a|aa)+$b", std::string(2000, 'a')));
  CHECK(whole("(.*)*", std::string(100000, 'a')));
}

}  // namespace
