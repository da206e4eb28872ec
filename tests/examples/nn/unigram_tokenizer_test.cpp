// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/unigram_tokenizer.hpp"

#include <lorapro/lorapro.hpp>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::nn::Piece;
using examples::nn::UnigramTokenizer;
using Ids = std::vector<int>;

const std::vector<Piece> kReserved{{"\xEF\xBF\xBD"}, {"<s>"}, {"</s>"}, {"1"}, {"2"}, {"3"}};

UnigramTokenizer tokenizer(const std::vector<Piece>& pieces) {
  std::vector<Piece> vocabulary = kReserved;
  vocabulary.insert(vocabulary.end(), pieces.begin(), pieces.end());
  return UnigramTokenizer(vocabulary);
}

const std::string kSpace = "\xE2\x96\x81";

// The expected ids are what the JavaScript tokenizer of the npm package
// @energetic-ai/embeddings 0.2.0 returns for the same vocabulary.
UnigramTokenizer small() {
  return tokenizer({{kSpace, -2},
                    {"a", -3},
                    {"b", -3},
                    {"ab", -5},
                    {kSpace + "ab", -6},
                    {"abc", -4},
                    {":", 0},
                    {kSpace + "a", -1.5},
                    {kSpace + ":", 0},
                    {"bb", -6},
                    {")", -4},
                    {"\xC3\xA9", -3}});
}

TEST_CASE("the pieces with the largest sum are chosen", "[tokenizer]") {
  const auto tokens = small();
  CHECK(tokens.encode("a") == Ids{13});
  CHECK(tokens.encode("ab") == Ids{13, 8});
  CHECK(tokens.encode("abbb") == Ids{13, 8, 8, 8});
  CHECK(tokens.encode("a  b") == Ids{13, 6, 6, 8});
  CHECK(tokens.encode("").empty());
}

TEST_CASE("a tie goes to the later start and so to the shorter last piece", "[tokenizer]") {
  CHECK(small().encode("abb") == Ids{13, 8, 8});  // bb costs as much as b and b
}

TEST_CASE("a run of unknown characters is one token", "[tokenizer]") {
  const auto tokens = small();
  CHECK(tokens.encode("xyz") == Ids{6, 0});
  CHECK(tokens.encode("axxb") == Ids{13, 0, 8});
  CHECK(tokens.encode("ca") == Ids{6, 0, 7});
  CHECK(tokens.encode("\xF0\x9F\x98\x80\xF0\x9F\x98\x80") == Ids{6, 0});
}

TEST_CASE("unknown characters cost nothing", "[tokenizer]") {
  CHECK(small().encode("abc") == Ids{13, 8, 0});  // -4.5, where the piece abc would give -6
}

TEST_CASE("a sum of 0 counts as no path", "[tokenizer]") {
  const auto tokens = small();
  CHECK(tokens.encode(":") == Ids{6, 12});
  CHECK(tokens.encode(":)") == Ids{6, 12, 16});
  CHECK(tokens.encode("a:)") == Ids{13, 12, 16});
}

TEST_CASE("text is normalized first", "[tokenizer]") {
  const auto tokens = small();
  CHECK(tokens.encode("\xC3\xA9"
                      "e\xCC\x81") == Ids{6, 17, 17});             // composed and decomposed
  CHECK(tokens.encode("\xEF\xBD\x81\xEF\xBD\x82") == Ids{13, 8});  // full-width letters
  CHECK(tokens.encode("a\xC2\xA0"
                      "b") == Ids{13, 6, 8});  // a no-break space
}

TEST_CASE("reserved pieces never match", "[tokenizer]") {
  CHECK(tokenizer({{kSpace, -1}}).encode("<s>") == Ids{6, 0});
}

TEST_CASE("text that is not UTF-8 is refused", "[tokenizer]") {
  const auto tokens = small();
  for (const char* text : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\x80"}) {
    CHECK_THROWS_AS(tokens.encode(text), std::invalid_argument);
  }
}

TEST_CASE("a vocabulary file gives pieces and scores", "[tokenizer]") {
  const ScratchFolder folder;
  const auto path = folder.write(
      "vocab.json", R"([["a",0],["b",0],["c",0],["d",0],["e",0],["f",0],["▁x",-1.5],[":",null]])");
  const auto vocabulary = examples::nn::read_vocabulary(path);
  REQUIRE(vocabulary.size() == 8);
  CHECK(vocabulary[6].text == kSpace + "x");
  CHECK(vocabulary[6].score == -1.5);
  CHECK(vocabulary[7].score == 0.0);
}

TEST_CASE("a damaged vocabulary file is refused", "[tokenizer]") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(examples::nn::read_vocabulary(folder.path() / "none.json"),
                  examples::DataMissing);
  const std::string six = R"(["a",0],["b",0],["c",0],["d",0],["e",0],["f",0])";
  for (const std::string& contents :
       {std::string(), std::string("{}"), "[" + six, "[" + six + "]", "[" + six + R"(,["x"]])",
        "[" + six + R"(,[1,2]])", "[" + six + R"(,["x","y"]])", "[" + six + R"(,["",-1]])",
        "[" + six + R"(,["x",1e999]])", "[" + six + ",[\"\xFF\",-1]]"}) {
    INFO(contents);
    CHECK_THROWS_AS(examples::nn::read_vocabulary(folder.write("vocab.json", contents)),
                    examples::DataError);
  }
}

}  // namespace
