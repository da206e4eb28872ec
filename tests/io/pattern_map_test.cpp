// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/pattern_map.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace {

using lorapro::FormatError;
using lorapro::io::find_pattern;
using lorapro::io::ModulePattern;
using lorapro::io::PatternIndex;
using lorapro::io::PatternMap;

TEST_CASE("the first matching key counts", "[pattern_map]") {
  const PatternMap<int> patterns{{"layers.0.q", 1}, {"q", 2}, {"k", 3}};
  CHECK(*find_pattern(patterns, "model.layers.0.q") == 1);
  CHECK(*find_pattern(patterns, "model.layers.1.q") == 2);
  CHECK(find_pattern(patterns, "model.layers.1.v") == nullptr);
  const PatternMap<int> reversed{{"q", 2}, {"layers.0.q", 1}};
  CHECK(*find_pattern(reversed, "model.layers.0.q") == 2);
  CHECK(find_pattern(PatternMap<int>{}, "q") == nullptr);
}

TEST_CASE("keys in the tree and outside of it count by their order alone", "[pattern_map]") {
  const PatternMap<int> patterns{{R"(layers\.(1|2)\.q)", 1}, {"layers.1.q", 2}, {R"(\d\.q)", 3},
                                 {"^model.layers.4.q$", 4},  {"q", 5},          {".*", 6}};
  CHECK(*find_pattern(patterns, "layers.1.q") == 1);
  CHECK(*find_pattern(patterns, "layers.3.q") == 3);
  CHECK(*find_pattern(patterns, "layers.10.q") == 5);
  CHECK(*find_pattern(patterns, "layersx1xq") == 2);  // a dot is any character
  CHECK(*find_pattern(patterns, "k") == 6);
  const PatternMap<int> anchored{{"^q", 1}, {R"(^model\.q)", 2}, {R"(a\.q$)", 3}};
  CHECK(*find_pattern(anchored, "q") == 1);
  CHECK(*find_pattern(anchored, "model.q") == 2);
  CHECK(find_pattern(anchored, "x.model.q") == nullptr);
  CHECK(find_pattern(anchored, "modelxq") == nullptr);
  CHECK(*find_pattern(anchored, "model.a.q") == 3);
}

TEST_CASE("a key that is the path itself counts where none matches", "[pattern_map]") {
  const PatternMap<int> patterns{{"a+b", 1}, {"c[0]", 2}, {"aab", 3}};
  CHECK(*find_pattern(patterns, "a+b") == 1);
  CHECK(*find_pattern(patterns, "aab") == 1);
  CHECK(*find_pattern(patterns, "c[0]") == 2);
  CHECK(find_pattern(patterns, "x.a+b") == nullptr);
}

TEST_CASE("a key that is no pattern is refused", "[pattern_map]") {
  CHECK_THROWS_AS(PatternIndex(PatternMap<int>{{"a", 1}, {"(", 2}}), FormatError);
  CHECK_THROWS_AS(PatternIndex(PatternMap<int>{{"a\\", 1}}), FormatError);
}

TEST_CASE("random keys are found as by trying one after the other", "[pattern_map]") {
  LORAPRO_TEST_RANDOM(random, 31);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random.bits() % n); };
  const char* const pieces[] = {"a", "b", ".", "\\.", "ab", "^", "$", ".*", "a?", "(a|b)", "[ab]"};
  int found_some = 0;
  for (int round = 0; round < 3000; ++round) {
    PatternMap<int> patterns;
    for (std::size_t k = pick(6); k > 0; --k) {
      std::string key;
      for (std::size_t n = pick(5); n > 0; --n) key += pieces[pick(round % 2 == 0 ? 7 : 11)];
      if (ModulePattern::understood(key)) patterns.emplace_back(key, 0);
    }
    std::string path;
    for (std::size_t n = pick(8); n > 0; --n) path += "ab.."[pick(4)];
    std::size_t expected = PatternIndex::npos;
    for (std::size_t k = patterns.size(); k-- > 0;)
      if (ModulePattern(patterns[k].first).matches_suffix(path)) expected = k;
    std::string text;
    for (const auto& entry : patterns) text += entry.first + "  ";
    CAPTURE(text, path);
    CHECK(PatternIndex(patterns).first_match(path) == expected);
    found_some += expected == PatternIndex::npos ? 0 : 1;
  }
  CHECK(found_some > 500);
}

std::size_t nodes_visited(std::size_t layers) {
  PatternMap<int> patterns;
  for (std::size_t k = 0; k < layers; ++k)
    for (const char* const name : {"self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"})
      patterns.emplace_back("model.layers." + std::to_string(k) + "." + name, 1);
  const PatternIndex index(patterns);
  std::size_t visited = 0;
  for (std::size_t k = 0; k < patterns.size(); ++k)
    CHECK(index.first_match(patterns[k].first, &visited) == k);
  return visited;
}

TEST_CASE("keys of paths cost the length of a path, however many there are", "[pattern_map]") {
  // A path of 30 characters has 31 prefixes; the dots of keys meet a few other characters.
  CHECK(nodes_visited(10) <= 3 * 10 * 40);
  CHECK(nodes_visited(1000) <= 3 * 1000 * 45);
}

}  // namespace
