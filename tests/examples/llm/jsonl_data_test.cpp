// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/jsonl_data.hpp"

#include <lorapro/core/file_error.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;
using lorapro::FormatError;

std::string line_error(const std::string& json) {
  return message_of<FormatError>([&] { llm::parse_example(json, 3, "d.jsonl: line 3"); });
}

TEST_CASE("the four formats of a line", "[jsonl_data]") {
  const auto text = llm::parse_example(R"({"text": "a\u00e9", "source": 1})", 1, "");
  CHECK(std::get<llm::WholeText>(text.content).text == "a\xc3\xa9");

  const auto completion =
      llm::parse_example(R"({"prompt": "", "completion": " b"})", 2, "").content;
  CHECK(std::get<llm::Completion>(completion).prompt.empty());
  CHECK(std::get<llm::Completion>(completion).completion == " b");

  const auto chat = llm::parse_example(R"({"messages": [{"role": "system", "content": "s"},
        {"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]})",
                                       3, "");
  const auto& messages = std::get<llm::Conversation>(chat.content);
  REQUIRE(messages.size() == 3);
  CHECK(messages[2].role == "assistant");
  CHECK(messages[2].content == "a");
  CHECK(chat.line == 3);

  const auto rendered = llm::parse_example(
      R"({"segments": [{"text": "q", "train": false}, {"text": "a", "train": true}]})", 4, "");
  const auto& segments = std::get<llm::Segments>(rendered.content);
  REQUIRE(segments.size() == 2);
  CHECK_FALSE(segments[0].train);
  CHECK(segments[1].train);
  CHECK(segments[1].text == "a");
}

TEST_CASE("a line that is no example says why", "[jsonl_data]") {
  CHECK_THAT(line_error("{\"text\": "), contains_text("d.jsonl: line 3: expected JSON"));
  CHECK_THAT(line_error("[1]"), contains_text("line 3: expected a JSON object"));
  CHECK_THAT(line_error("{\"text\": \"\xff\"}"), contains_text("line 3: expected UTF-8"));
  CHECK_THAT(line_error(R"({"text": "\ud800"})"), contains_text("line 3: expected JSON in UTF-8"));
  CHECK_THAT(line_error(R"({"text": "a", "text": "b"})"),
             contains_text("expected one entry, got two"));
  CHECK_THAT(line_error(R"({"input": "a"})"), contains_text("got none of their keys"));
  CHECK_THAT(line_error(R"({"text": "a", "messages": []})"),
             contains_text("expected one format, got text and messages"));
  CHECK_THAT(line_error(R"({"text": 7})"), contains_text("text: expected a string, got 7"));
  CHECK_THAT(line_error(R"({"text": ""})"),
             contains_text("text: expected a text to learn, got an empty"));
  CHECK_THAT(line_error(R"({"prompt": "q"})"), contains_text("got none of their keys"));
  CHECK_THAT(line_error(R"({"completion": "q"})"),
             contains_text("prompt: expected a string, got none"));
  CHECK_THAT(line_error(R"({"prompt": "q", "completion": " \n"})"),
             contains_text("completion: expected a text to learn, got white space alone"));
}

TEST_CASE("a conversation that cannot be learned from says why", "[jsonl_data]") {
  const auto of = [](const std::string& messages) {
    return line_error(R"({"messages": )" + messages + "}");
  };
  const std::string user = R"({"role": "user", "content": "q"})";
  const std::string answer = R"({"role": "assistant", "content": "a"})";
  CHECK_THAT(of("[]"), contains_text("messages: expected a list of at least one object, got []"));
  CHECK_THAT(of("[7]"), contains_text("messages[0]: expected an object, got 7"));
  CHECK_THAT(of("[" + user + "]"), contains_text("expected an answer of the assistant at the end"));
  CHECK_THAT(of("[" + user + R"(, {"role": "assistant", "content": ""}])"),
             contains_text("messages[1]: content: expected a text to learn, got an empty one"));
  CHECK_THAT(of("[" + user + R"(, {"role": "assistant", "content": null}])"),
             contains_text("messages[1]: content: expected a string, got null"));
  CHECK_THAT(of(R"([{"role": "tool", "content": "x"}, )" + answer + "]"),
             contains_text(R"(messages[0]: role: expected system, user or assistant, got "tool")"));
  CHECK_THAT(of("[" + user + R"(, {"role": "system", "content": "s"}, )" + answer + "]"),
             contains_text("messages[1]: role: expected system in the first message alone"));
  CHECK_THAT(line_error(R"({"tools": [], "messages": [)" + user + "," + answer + "]}"),
             contains_text("tools: expected none"));
}

TEST_CASE("segments without anything to train are refused", "[jsonl_data]") {
  CHECK_THAT(line_error(R"({"segments": [{"text": "a", "train": false}]})"),
             contains_text("segments: expected a text with train true, got none"));
  CHECK_THAT(line_error(R"({"segments": [{"text": "", "train": true}]})"),
             contains_text("segments: expected a text with train true, got none"));
  CHECK_THAT(line_error(R"({"segments": [{"text": "a", "train": 1}]})"),
             contains_text("segments[0]: train: expected true or false, got 1"));
  CHECK_THAT(line_error(R"({"segments": [{"text": "a"}]})"),
             contains_text("segments[0]: train: expected true or false, got none"));
}

TEST_CASE("a file of lines", "[jsonl_data]") {
  const ScratchFolder folder;
  const auto path =
      folder.write("a.jsonl", "\xef\xbb\xbf{\"text\": \"one\"}\r\n\n{\"text\": \"two\"}");
  const auto file = llm::read_jsonl(path);
  REQUIRE(file.examples.size() == 2);
  CHECK(std::get<llm::WholeText>(file.examples[0].content).text == "one");
  CHECK(file.examples[1].line == 3);
  CHECK(file.path == path.string());
}

TEST_CASE("a file of two formats or of none is refused", "[jsonl_data]") {
  const ScratchFolder folder;
  const auto error = [&](const char* name, const char* contents) {
    const auto path = folder.write(name, contents);
    return message_of<FormatError>([&] { llm::read_jsonl(path); });
  };
  CHECK_THAT(error("two.jsonl", "{\"text\": \"a\"}\n{\"prompt\": \"b\", \"completion\": \"c\"}\n"),
             contains_text(R"(two.jsonl: line 2: expected {"text"} as in line 1, got {"prompt",)"));
  CHECK_THAT(error("none.jsonl", "\n \n"),
             contains_text("none.jsonl: expected an example, got none"));
  CHECK_THROWS_AS(llm::read_jsonl(folder.path() / "absent.jsonl"), lorapro::FileError);
  CHECK_THROWS_AS(llm::read_jsonl(folder.path()), lorapro::FileError);
}

}  // namespace
