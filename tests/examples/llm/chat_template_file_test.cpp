// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/chat_template_file.hpp"

#include <lorapro/core/file_error.hpp>
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;
using llm::ChatStyle;

ChatStyle style_of(std::string_view jinja) {
  return llm::recognise_chat_template(jinja, "file").style;
}

std::string template_refusal(std::string_view jinja) {
  return message_of<lorapro::FormatError>([&] { llm::recognise_chat_template(jinja, "file"); });
}

TEST_CASE("a template is told by its markers", "[chat_template_file]") {
  CHECK(style_of("{{'<|im_start|>' + message['role']}}") == ChatStyle::chatml);
  CHECK(style_of("{{ '<|start_header_id|>' + role }}") == ChatStyle::llama3);
  CHECK(style_of("{{ '<|assistant|>\\n' + content + eos_token }}") == ChatStyle::zephyr);
  CHECK(style_of("{{ '[INST] ' + content + ' [/INST]' }}") == ChatStyle::mistral);
  CHECK(style_of("{{ '<<SYS>>\\n' }}{{ '[INST] ' }}") == ChatStyle::llama2);
}

TEST_CASE("any other template is refused with a way out", "[chat_template_file]") {
  CHECK_THAT(template_refusal("{{ '<start_of_turn>' }}"),
             contains_text("file: expected the markers of a known"));
  CHECK_THAT(template_refusal("{{ '<start_of_turn>' }}"), contains_text("segments"));
  CHECK_THAT(template_refusal("<|im_start|> <|assistant|>"),
             contains_text("got <|im_start|> and <|assistant|>"));
  CHECK_THAT(template_refusal("<|start_header_id|>{{ strftime_now('%d') }}"),
             contains_text("strftime_now"));
  CHECK_THAT(template_refusal("<|start_header_id|>{{ date_string }}"),
             contains_text("date_string"));
  CHECK_THAT(template_refusal("<|im_start|>{{ '<think>' }}"), contains_text("blocks of thought"));
}

TEST_CASE("a default system text is taken where it stands as it is", "[chat_template_file]") {
  const auto default_of = [](std::string_view jinja) {
    return llm::recognise_chat_template(jinja, "file").default_system;
  };
  CHECK(default_of("{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}") == "You help.");
  CHECK(default_of("{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}") == "You help.");
  // Put together with the tools, and from the message.
  CHECK(default_of("{{- '<|im_start|>system\\n' }}{{ tools }}{{- '<|im_end|>' }}").empty());
  CHECK(default_of("'<|im_start|>system\\n' + content + '<|im_end|>'"
                   "'<|im_start|>system\\nA.<|im_end|>'") == "A.");
  CHECK_THAT(
      template_refusal("'<|im_start|>system\\nA.<|im_end|>' '<|im_start|>system\\nB.<|im_end|>'"),
      contains_text("expected one default system text, got two"));
}

TEST_CASE("a model's folder has its template in one of two files", "[chat_template_file]") {
  const ScratchFolder folder;
  const auto error = [&] {
    return message_of<lorapro::FormatError>([&] { llm::read_chat_template(folder.path()); });
  };
  CHECK_THAT(error(), contains_text("expected chat_template.jinja or tokenizer_config.json"));
  const auto write_config = [&](const nlohmann::json& value) {
    folder.write("tokenizer_config.json", nlohmann::json{{"chat_template", value}}.dump());
  };
  folder.write("tokenizer_config.json", "{}");
  CHECK_THAT(error(), contains_text("chat_template: expected a template, got none"));
  write_config(7);
  CHECK_THAT(error(), contains_text("chat_template: expected a text or a list of them, got 7"));
  write_config("<|im_start|>");
  CHECK(llm::read_chat_template(folder.path()).style == ChatStyle::chatml);
  write_config({{{"name", "tool_use"}, {"template", "<|im_start|>"}}});
  CHECK_THAT(error(), contains_text("expected a template named default, got none"));
  write_config({{{"name", 1}}, {{"name", "default"}, {"template", "[INST]"}}});
  CHECK(llm::read_chat_template(folder.path()).style == ChatStyle::mistral);
  folder.write("chat_template.jinja", "<|start_header_id|>");
  CHECK(llm::read_chat_template(folder.path()).style == ChatStyle::llama3);
}

}  // namespace
