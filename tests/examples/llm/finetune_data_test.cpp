// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/finetune_data.hpp"

#include <lorapro/core/file_error.hpp>

#include "examples/llm/samples.hpp"
#include "letter_tokenizer.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;

LetterTokenizer chat_tokenizer() {
  LetterTokenizer::Kind kind;
  kind.specials = {"<s>", "</s>", "<|im_start|>", "<|im_end|>"};
  return LetterTokenizer(kind);
}

TEST_CASE("the parts of a folder, and those that are named apart", "[finetune_data]") {
  const ScratchFolder folder;
  folder.write("train.jsonl",
               "{\"prompt\": \"ab\", \"completion\": \"cd\"}\n"
               "{\"prompt\": \"abcdefghij\", \"completion\": \"k\"}\n");
  folder.write("test.txt", "abc");
  const auto other = folder.write("other.jsonl", "{\"text\": \"abcdefghijkl\"}");
  llm::FinetuneOptions options;
  options.data = folder.path();
  options.max_length = 8;
  const auto tokenizer = chat_tokenizer();
  auto data = llm::load_data(options, tokenizer, 300);
  CHECK(data.train->data.examples.size() == 1);
  CHECK_FALSE(data.valid);
  CHECK(data.test->data.labels == 3);
  CHECK_THAT(data.train->summary(),
             contains_text("train.jsonl: 1 examples, 6 tokens, 3 of them to learn; 1 left out"));
  options.valid = options.test = other;
  data = llm::load_data(options, tokenizer, 300);
  CHECK_THAT(data.valid->summary(), contains_text("7 of them to learn; 1 truncated"));
  CHECK(data.test->path == other);
}

TEST_CASE("conversations are rendered as the model's template says", "[finetune_data]") {
  const ScratchFolder folder;
  const auto lines = folder.write(
      "chat.jsonl",
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})");
  llm::FinetuneOptions options;
  options.model = folder.path().string();
  options.data = lines;
  const auto tokenizer = chat_tokenizer();
  CHECK_THAT(message_of<lorapro::FormatError>([&] { llm::load_data(options, tokenizer, 300); }),
             contains_text("chat_template"));
  folder.write("chat_template.jinja", "'<|im_start|>system\\nBe kind.<|im_end|>'");
  const auto example = llm::load_data(options, tokenizer, 300).train->data.examples.at(0);
  CHECK(whole_text(tokenizer, example) ==
        "<s><|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nq<|im_end|>\n"
        "<|im_start|>assistant\na<|im_end|>\n");
  options.chat_style = llm::ChatStyle::mistral;
  CHECK(whole_text(tokenizer, llm::load_data(options, tokenizer, 300).train->data.examples.at(0)) ==
        "<s>[INST] q [/INST] a</s>");
  options.chat_style.reset();
  options.model = lines.string();
  CHECK_THAT(message_of<lorapro::FormatError>([&] { llm::load_data(options, tokenizer, 300); }),
             contains_text("--chat-template names one"));
}

TEST_CASE("what a model goes on with is a text or a question", "[finetune_data]") {
  const auto tokenizer = chat_tokenizer();
  llm::FinetuneOptions options;
  options.chat_style = llm::ChatStyle::chatml;
  const auto text_of = [&] {
    return whole_text(tokenizer, {llm::prompt_ids(options, tokenizer, "Hi</s>"), {}});
  };
  CHECK(text_of() == "<s>Hi</s>");
  CHECK(llm::prompt_ids(options, tokenizer, "</s>").size() == 5);  // a text, not a token
  options.chat_samples = true;
  CHECK(text_of() == "<s><|im_start|>user\nHi</s><|im_end|>\n<|im_start|>assistant\n");
}

}  // namespace
