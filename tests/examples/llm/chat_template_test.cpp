// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/chat_template.hpp"

#include <lorapro/core/file_error.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace llm = examples::llm;
using llm::ChatStyle;

const llm::EdgeTokens kEdges{"<s>", "</s>"};
const llm::Conversation kTwoTurns{{"system", "Be kind."},
                                  {"user", " Hi "},
                                  {"assistant", "Hello\n"},
                                  {"user", "More"},
                                  {"assistant", "Yes"}};

/// Trained parts stand in brackets.
std::string rendered(ChatStyle style, const llm::Conversation& conversation,
                     const std::string& default_system = "") {
  std::string text;
  for (const auto& segment :
       llm::ChatTemplate{style, default_system}.render(conversation, kEdges)) {
    text += segment.train ? "{" + segment.text + "}" : segment.text;
  }
  return text;
}

llm::Conversation without_system() { return {kTwoTurns.begin() + 1, kTwoTurns.end()}; }

// As apply_chat_template of Hugging Face renders them.
TEST_CASE("each style renders a conversation, closing tokens trained", "[chat_template]") {
  CHECK(rendered(ChatStyle::chatml, kTwoTurns) ==
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
        "<|im_start|>assistant\n{Hello\n<|im_end|>}\n<|im_start|>user\nMore<|im_end|>\n"
        "<|im_start|>assistant\n{Yes<|im_end|>}\n");
  CHECK(rendered(ChatStyle::llama3, kTwoTurns) ==
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{Hello<|eot_id|>}"
        "<|start_header_id|>user<|end_header_id|>\n\nMore<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n{Yes<|eot_id|>}");
  CHECK(rendered(ChatStyle::llama2, kTwoTurns) ==
        "<s>[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\n Hi [/INST]{ Hello </s>}"
        "<s>[INST] More [/INST]{ Yes </s>}");
  CHECK(rendered(ChatStyle::mistral, without_system()) ==
        "<s>[INST]  Hi  [/INST]{ Hello\n</s>}[INST] More [/INST]{ Yes</s>}");
  CHECK(rendered(ChatStyle::zephyr, kTwoTurns) ==
        "<|system|>\nBe kind.</s>\n<|user|>\n Hi </s>\n<|assistant|>\n{Hello\n</s>}\n"
        "<|user|>\nMore</s>\n<|assistant|>\n{Yes</s>}\n");
}

TEST_CASE("the default system text stands in for a missing one", "[chat_template]") {
  const llm::Conversation short_one{{"user", "q"}, {"assistant", "a"}};
  CHECK(rendered(ChatStyle::chatml, short_one, "Default.") ==
        "<|im_start|>system\nDefault.<|im_end|>\n" + rendered(ChatStyle::chatml, short_one));
  CHECK(rendered(ChatStyle::chatml, kTwoTurns, "Default.") ==
        rendered(ChatStyle::chatml, kTwoTurns));
}

TEST_CASE("a prompt ends where the answer begins", "[chat_template]") {
  const llm::Conversation question{{"user", "q"}};
  for (const auto& style : llm::kChatStyles) {
    INFO(style.name);
    const llm::ChatTemplate chat{style.style, ""};
    llm::Conversation answered = question;
    answered.push_back({"assistant", "a"});
    const auto segments = chat.render(answered, kEdges);
    REQUIRE(segments.size() >= 2);
    CHECK(chat.render_prompt(question, kEdges) == segments[0].text);
  }
}

TEST_CASE("a conversation that a style has no place for is refused", "[chat_template]") {
  const auto error = [](ChatStyle style, const llm::Conversation& conversation) {
    return message_of<lorapro::FormatError>([&] { rendered(style, conversation); });
  };
  CHECK_THAT(error(ChatStyle::mistral, kTwoTurns), contains_text("expected no system message"));
  CHECK_THAT(error(ChatStyle::llama2, {{"user", "a"}, {"user", "b"}, {"assistant", "c"}}),
             contains_text("got user in place of assistant"));
  CHECK_THAT(error(ChatStyle::llama2, {{"system", "s"}, {"assistant", "c"}}),
             contains_text("got assistant in place of user"));
}

TEST_CASE("styles have names", "[chat_template]") {
  for (const auto& style : llm::kChatStyles) {
    CHECK(llm::chat_style_named(style.name) == style.style);
    CHECK(llm::name_of(style.style) == style.name);
  }
  CHECK_FALSE(llm::chat_style_named("gemma"));
}

}  // namespace
