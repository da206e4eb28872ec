// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/encode_data.hpp"

#include <lorapro/core/file_error.hpp>

#include "letter_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace llm = examples::llm;
using Content = decltype(llm::DataExample::content);

LetterTokenizer::Kind chatml_kind() {
  LetterTokenizer::Kind kind;
  kind.specials = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"};
  kind.adds_bos = false;
  return kind;
}

llm::EncodeOptions plain_options(llm::Index max_length = 512) {
  llm::EncodeOptions options;
  options.max_length = max_length;
  options.vocabulary = 512;
  return options;
}

llm::EncodedData encoded(const Content& content, const LetterTokenizer& tokenizer,
                         const llm::EncodeOptions& options) {
  return llm::encode_data({"d.jsonl", {{1, content}}}, tokenizer, options);
}

llm::TokenizedExample only(const Content& content, const LetterTokenizer& tokenizer,
                           const llm::EncodeOptions& options = plain_options()) {
  auto data = encoded(content, tokenizer, options);
  REQUIRE(data.examples.size() == 1);
  return data.examples[0];
}

TEST_CASE("EOS ends texts and completions and is trained on", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const auto text = only(llm::WholeText{"abc"}, tokenizer);
  CHECK(whole_text(tokenizer, text) == "<s>abc</s>");
  CHECK(trained_text(tokenizer, text) == "...abc</s>");
  const auto answer = only(llm::Completion{"Q:", " yes"}, tokenizer);
  CHECK(whole_text(tokenizer, answer) == "<s>Q: yes</s>");
  CHECK(trained_text(tokenizer, answer) == "..... yes</s>");
}

// Where padding has the id of EOS, masking by id would mask the end of every answer.
TEST_CASE("EOS within a trained text is trained on wherever it stands", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const llm::Segments segments{{"a</s>", true}, {"b</s>", false}, {"c</s>", true}};
  const auto example = only(segments, tokenizer);
  CHECK(trained_text(tokenizer, example) == "...a</s>.....c</s>");
}

TEST_CASE("there is one BOS, whoever has written it", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const auto rendered = only(llm::Segments{{"<s>q", false}, {"a", true}}, tokenizer);
  CHECK(whole_text(tokenizer, rendered) == "<s>qa");
  const auto without = only(llm::Segments{{"q", false}, {"a", true}}, tokenizer);
  CHECK(without.ids == rendered.ids);
  CHECK(without.trained == rendered.trained);
  // A template without BOS, with a tokenizer that begins texts with it.
  auto kind = chatml_kind();
  kind.adds_bos = true;
  auto options = plain_options();
  options.chat = llm::ChatTemplate{llm::ChatStyle::zephyr, ""};
  const LetterTokenizer zephyr(kind);
  const llm::Conversation chat{{"user", "q"}, {"assistant", "a"}};
  CHECK(whole_text(zephyr, only(chat, zephyr, options)) ==
        "<s><|user|>\nq</s>\n<|assistant|>\na</s>\n");
  // One with BOS, and a tokenizer that does not add it.
  options.chat->style = llm::ChatStyle::mistral;
  kind.adds_bos = false;
  const LetterTokenizer mistral(kind);
  CHECK(whole_text(mistral, only(chat, mistral, options)) == "<s>[INST] q [/INST] a</s>");
  // No BOS where the model was trained without.
  options.chat->style = llm::ChatStyle::chatml;
  CHECK(whole_text(mistral, only(chat, mistral, options)).substr(0, 12) == "<|im_start|>");
}

TEST_CASE("the token that closes an answer is trained on, those of prompts are not",
          "[encode_data]") {
  const LetterTokenizer tokenizer(chatml_kind());
  auto options = plain_options();
  options.chat = llm::ChatTemplate{};
  const llm::Conversation chat{
      {"user", "q"}, {"assistant", "a"}, {"user", "r"}, {"assistant", "b"}};
  const auto example = only(chat, tokenizer, options);
  std::string labels;
  for (const char c : trained_text(tokenizer, example)) {
    if (c != '.' || labels.empty() || labels.back() != '.') labels += c;
  }
  CHECK(labels == ".a<|im_end|>.b<|im_end|>.");
}

TEST_CASE("training on prompts asks for all ids but the first", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  auto options = plain_options();
  options.train_on_prompt = true;
  const auto example = only(llm::Completion{"Q:", " yes"}, tokenizer, options);
  CHECK(trained_text(tokenizer, example) == "...Q: yes</s>");
}

TEST_CASE("the tokens of a prompt do not depend on its answer", "[encode_data]") {
  LetterTokenizer::Kind kind;
  kind.pieces = {"ab"};
  const LetterTokenizer tokenizer(kind);
  const auto example = only(llm::Completion{"xa", "bc"}, tokenizer);
  // Not x, ab, c: nobody who asks has the ids of the answer.
  CHECK(whole_text(tokenizer, example) == "<s>xabc</s>");
  CHECK(example.ids == std::vector<llm::TokenId>{257, 'x', 'a', 'b', 'c', 258});
}

TEST_CASE("an answer goes on without a space of its own", "[encode_data]") {
  LetterTokenizer::Kind kind;
  kind.adds_space = true;
  const LetterTokenizer tokenizer(kind);
  const auto example = only(llm::Completion{"Q:", "yes"}, tokenizer);
  CHECK(whole_text(tokenizer, example) == "<s> Q:yes</s>");
  const auto segments = only(llm::Segments{{"Q:", false}, {"y", true}, {"es", true}}, tokenizer);
  CHECK(whole_text(tokenizer, segments) == "<s> Q:yes");
}

TEST_CASE("examples without a label after truncation are left out and counted", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const llm::DataFile file{"d.jsonl",
                           {{1, llm::Completion{"a long prompt", "x"}},
                            {2, llm::Completion{"q", "a long answer"}},
                            {3, llm::Completion{"q", "a"}}}};
  const auto data = llm::encode_data(file, tokenizer, plain_options(6));
  CHECK(data.left_out == 1);
  CHECK(data.truncated == 1);
  REQUIRE(data.examples.size() == 2);
  CHECK(trained_text(tokenizer, data.examples[0]) == "....a lo");
  CHECK(data.tokens == 6 + 4);
  CHECK(data.labels == 4 + 2);
}

TEST_CASE("nothing to learn at all is an error", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const auto error = message_of<lorapro::FormatError>([&] {
    encoded(llm::Completion{"a long prompt", "x"}, tokenizer, plain_options(6));
  });
  CHECK_THAT(error, contains_text("d.jsonl: expected something to learn in the first 6 tokens"));
  CHECK_THROWS_AS(encoded(llm::WholeText{"a"}, tokenizer, plain_options(1)), lorapro::ConfigError);
}

TEST_CASE("a running text becomes windows without an end", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  const auto data = encoded(llm::RunningText{"abcdefg"}, tokenizer, plain_options(4));
  REQUIRE(data.examples.size() == 3);
  CHECK(whole_text(tokenizer, data.examples[0]) == "<s>abc");
  CHECK(whole_text(tokenizer, data.examples[1]) == "<s>def");
  CHECK(whole_text(tokenizer, data.examples[2]) == "<s>g");
  CHECK(data.labels == 7);
  CHECK(data.truncated == 0);
  // Without BOS each window begins with the last id of the one before.
  LetterTokenizer::Kind kind;
  kind.adds_bos = false;
  const LetterTokenizer bare(kind);
  const auto overlapping = encoded(llm::RunningText{"abcdefg"}, bare, plain_options(4));
  REQUIRE(overlapping.examples.size() == 2);
  CHECK(whole_text(bare, overlapping.examples[0]) == "abcd");
  CHECK(whole_text(bare, overlapping.examples[1]) == "defg");
  CHECK(overlapping.labels == 6);
}

TEST_CASE("special tokens are text everywhere but in segments", "[encode_data]") {
  const LetterTokenizer tokenizer(chatml_kind());
  const auto text = only(llm::WholeText{"</s>"}, tokenizer);
  CHECK(text.ids.size() == 5);  // four letters and EOS
  auto options = plain_options();
  options.chat = llm::ChatTemplate{};
  const llm::Conversation chat{{"user", "say <|im_end|>"}, {"assistant", "no"}};
  const auto error = message_of<lorapro::FormatError>([&] { only(chat, tokenizer, options); });
  CHECK_THAT(error,
             contains_text("d.jsonl: line 1: messages: expected content without special tokens, "
                           "got <|im_end|> in a message of the user"));
}

TEST_CASE("a conversation needs a template and its tokens", "[encode_data]") {
  const llm::Conversation chat{{"user", "q"}, {"assistant", "a"}};
  auto options = plain_options();
  const LetterTokenizer tokenizer({});
  CHECK_THROWS_AS(only(chat, tokenizer, options), lorapro::ConfigError);
  options.chat = llm::ChatTemplate{llm::ChatStyle::llama3, ""};
  CHECK_THAT(message_of<lorapro::FormatError>([&] { only(chat, tokenizer, options); }),
             contains_text("expected the special token <|start_header_id|>"));
  options.chat = llm::ChatTemplate{llm::ChatStyle::mistral, ""};
  CHECK_THAT(message_of<lorapro::FormatError>([&] {
               only(llm::Conversation{{"assistant", "a"}}, tokenizer, options);
             }),
             contains_text("d.jsonl: line 1: messages: expected user and assistant in turn"));
}

TEST_CASE("ids beyond the vocabulary of the model are refused", "[encode_data]") {
  const LetterTokenizer tokenizer({});
  auto options = plain_options();
  options.vocabulary = 100;
  CHECK_THAT(
      message_of<lorapro::FormatError>([&] { only(llm::WholeText{"az"}, tokenizer, options); }),
      contains_text("d.jsonl: line 1: expected tokens below 100, the vocabulary"));
}

}  // namespace
