// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/pre_tokenizer.hpp"

#include "support/catch.hpp"

namespace {

using examples::llm::PreTokenizer;
using examples::llm::SplitPattern;

using Pieces = std::vector<std::string>;

Pieces split_by(std::vector<SplitPattern> patterns, std::string_view text) {
  Pieces pieces;
  PreTokenizer(std::move(patterns)).split(text, [&](std::string_view piece) {
    pieces.emplace_back(piece);
  });
  return pieces;
}

}  // namespace

// The expected pieces are those of Hugging Face's tokenizers.
TEST_CASE("GPT-2 takes one space along, and splits off contractions in small letters") {
  const auto split = [](std::string_view text) { return split_by({SplitPattern::gpt2}, text); };
  CHECK(split("Hello world's end, it'll do") ==
        Pieces{"Hello", " world", "'s", " end", ",", " it", "'ll", " do"});
  CHECK(split("IT'S") == Pieces{"IT", "'", "S"});
  CHECK(split("a  b\n\n c   ") == Pieces{"a", " ", " b", "\n\n", " c", "   "});
  CHECK(split("x12345 67y") == Pieces{"x", "12345", " 67", "y"});
  CHECK(split(" !? 'x") == Pieces{" !?", " '", "x"});
  CHECK(split("").empty());
}

TEST_CASE("Llama 3 has three digits a piece, and line breaks with what precedes them") {
  const auto split = [](std::string_view text) { return split_by({SplitPattern::llama3}, text); };
  CHECK(split("IT'S 12345 (abc)\n\n  x\n \n y") ==
        Pieces{"IT", "'S", " ", "123", "45", " (", "abc", ")\n\n", " ", " x", "\n \n", " y"});
  CHECK(split("_a.b\tc") == Pieces{"_a", ".b", "\tc"});
  CHECK(split("a\n") == Pieces{"a", "\n"});
  CHECK(split("it'\xc5\xbf") == Pieces{"it", "'\xc5\xbf"});  // a long s is an s
  CHECK(split("  \n  ") == Pieces{"  \n", "  "});
}

TEST_CASE("Qwen has each digit alone, and so has SmolLM") {
  CHECK(split_by({SplitPattern::qwen2}, "a 12") == Pieces{"a", " ", "1", "2"});
  CHECK(split_by({SplitPattern::digits, SplitPattern::gpt2}, "a 12 b") ==
        Pieces{"a", " ", "1", "2", " b"});
  CHECK(split_by({SplitPattern::digit_runs}, "a 12 b3") == Pieces{"a ", "12", " b", "3"});
}

TEST_CASE("words of SentencePiece begin with U+2581") {
  CHECK(split_by({SplitPattern::metaspace}, "\xe2\x96\x81\x61\xe2\x96\x81\xe2\x96\x81\x62") ==
        Pieces{"\xe2\x96\x81\x61", "\xe2\x96\x81", "\xe2\x96\x81\x62"});
  CHECK(split_by({}, "all of it") == Pieces{"all of it"});
}

TEST_CASE("a pattern is told by its regular expression as a whole") {
  using examples::llm::split_pattern_of_regex;
  const std::string tail = R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::string head = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  CHECK(split_pattern_of_regex(head + R"(\p{N}{1,3})" + tail) == SplitPattern::llama3);
  CHECK(split_pattern_of_regex(head + R"(\p{N})" + tail) == SplitPattern::qwen2);
  CHECK_FALSE(split_pattern_of_regex(head + R"(\p{N}+)" + tail));
}
