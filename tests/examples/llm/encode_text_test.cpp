// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/encode_text.hpp"

#include "letter_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/stories.hpp"

namespace {

namespace llm = examples::llm;

TEST_CASE("a continuation has the text that it was made of", "[encode_text]") {
  for (const bool adds_space : {false, true}) {
    LetterTokenizer::Kind kind;
    kind.adds_space = adds_space;
    const LetterTokenizer tokenizer(kind);
    for (const std::string text : {"yes", " yes", "\n\nyes", "", "</s>yes"}) {
      std::vector<llm::TokenId> ids;
      llm::encode_continuation(tokenizer, text, llm::SpecialTokens::as_text, ids);
      CHECK(tokenizer.decode(ids) == text);
    }
  }
}

TEST_CASE("edge tokens are texts, and empty where there are none", "[encode_text]") {
  LetterTokenizer::Kind kind;
  CHECK(llm::edge_tokens(LetterTokenizer(kind)).eos == "</s>");
  kind.specials = {"<s>"};
  CHECK(llm::edge_tokens(LetterTokenizer(kind)).bos == "<s>");
  CHECK(llm::edge_tokens(LetterTokenizer(kind)).eos.empty());
}

TEST_CASE("a prompt and its answer are one text to a tokenizer of SentencePiece's kind",
          "[encode_text][may_skip]") {
  if (stories_folder().empty()) skip_test("LORAPRO_STORIES_DIR names no folder");
  const auto tokenizer = llm::load_tokenizer(stories_folder() + "/stories260K_hf");
  const auto example =
      llm::encode_segments(*tokenizer, {{"Once upon", false}, {" a time", true}, {", Tim", false}},
                           llm::SpecialTokens::as_text);
  std::string text, labels;
  for (std::size_t t = 1; t < example.ids.size(); ++t) {
    text += tokenizer->piece(example.ids[t]);
    if (example.trained[t]) labels += tokenizer->piece(example.ids[t]);
  }
  CHECK(example.ids.front() == tokenizer->bos());
  CHECK(text == " Once upon a time, Tim");
  CHECK(labels == " a time");
  std::vector<llm::TokenId> whole;
  tokenizer->encode("Once upon a time, Tim", llm::SpecialTokens::as_text, whole);
  CHECK(std::vector<llm::TokenId>(example.ids.begin() + 1, example.ids.end()) == whole);
}

}  // namespace
