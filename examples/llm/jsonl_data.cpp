// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "jsonl_data.hpp"

#include <lorapro/io/json_document.hpp>
#include <lorapro/io/utf8.hpp>
#include <algorithm>  // std::any_of
#include <array>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace examples::llm {

namespace {

using Json = nlohmann::json;
using lorapro::FormatError;

constexpr std::string_view kWhiteSpace = " \t\r\n\f\v";

bool is_blank(std::string_view text) {
  return text.find_first_not_of(kWhiteSpace) == std::string_view::npos;
}

/// An object of a line, with the name that messages give it.
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail("expected an object, got " + shown(json));
  }

  bool has(const char* key) const { return json_.contains(key); }

  const Json& at(const char* key, const char* expected) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail(fmt::format("{}: expected {}, got none", key, expected));
    return *found;
  }

  std::string text(const char* key) const {
    const Json& value = at(key, "a string");
    if (!value.is_string()) fail(fmt::format("{}: expected a string, got {}", key, shown(value)));
    return value.get<std::string>();
  }

  /// A text that there is something to learn from.
  std::string answer(const char* key) const {
    std::string text = this->text(key);
    if (is_blank(text)) {
      fail(fmt::format("{}: expected a text to learn, got {}", key,
                       text.empty() ? "an empty one" : "white space alone"));
    }
    return text;
  }

  bool flag(const char* key) const {
    const Json& value = at(key, "true or false");
    if (!value.is_boolean()) {
      fail(fmt::format("{}: expected true or false, got {}", key, shown(value)));
    }
    return value.get<bool>();
  }

  /// The objects of a list that is not empty.
  std::vector<Fields> list(const char* key) const {
    const Json& value = at(key, "a list of objects");
    if (!value.is_array() || value.empty()) {
      fail(fmt::format("{}: expected a list of at least one object, got {}", key, shown(value)));
    }
    std::vector<Fields> items;
    for (const Json& item : value) {
      items.emplace_back(item, fmt::format("{}: {}[{}]", where_, key, items.size()));
    }
    return items;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(where_ + ": " + problem);
  }

  static std::string shown(const Json& json) { return lorapro::io::detail::shown(json); }

 private:
  const Json& json_;
  std::string where_;
};

Message parse_message(const Fields& fields) {
  Message message{fields.text("role"), fields.text("content")};
  if (message.role != "system" && message.role != "user" && message.role != "assistant") {
    fields.fail("role: expected system, user or assistant, got " +
                lorapro::io::detail::quoted_name(message.role) +
                "; a conversation with other roles can be given as segments");
  }
  if (message.role == "assistant") (void)fields.answer("content");
  return message;
}

Conversation parse_conversation(const Fields& fields) {
  if (fields.has("tools")) {
    fields.fail(
        "tools: expected none, as no chat template here renders them; rendered "
        "conversations can be given as segments");
  }
  Conversation conversation;
  for (const Fields& item : fields.list("messages")) {
    conversation.push_back(parse_message(item));
    if (conversation.back().role == "system" && conversation.size() > 1) {
      item.fail("role: expected system in the first message alone");
    }
  }
  if (conversation.back().role != "assistant") {
    fields.fail("messages: expected an answer of the assistant at the end, got a message of the " +
                conversation.back().role);
  }
  return conversation;
}

Segments parse_segments(const Fields& fields) {
  Segments segments;
  for (const Fields& item : fields.list("segments")) {
    segments.push_back({item.text("text"), item.flag("train")});
  }
  const auto teaches = [](const Segment& segment) {
    return segment.train && !segment.text.empty();
  };
  if (!std::any_of(segments.begin(), segments.end(), teaches)) {
    fields.fail("segments: expected a text with train true, got none");
  }
  return segments;
}

/// The format by its key, as messages call it.
constexpr std::array kFormats{
    std::pair{"text", "{\"text\"}"},
    std::pair{"completion", "{\"prompt\", \"completion\"}"},
    std::pair{"messages", "{\"messages\"}"},
    std::pair{"segments", "{\"segments\"}"},
};

/// The key of the one format that an object has.
std::string format_of(const Fields& fields) {
  std::string key;
  for (const auto& [candidate, title] : kFormats) {
    if (!fields.has(candidate)) continue;
    if (!key.empty()) fields.fail("expected one format, got " + key + " and " + candidate);
    key = candidate;
  }
  if (key.empty()) {
    std::string titles;
    for (const auto& [candidate, title] : kFormats) {
      titles += (titles.empty() ? "" : ", ") + std::string(title);
    }
    fields.fail("expected one of " + titles + ", got none of their keys");
  }
  return key;
}

const char* title_of(const DataExample& example) {
  struct {
    const char* operator()(const WholeText&) const { return kFormats[0].second; }
    const char* operator()(const RunningText&) const { return "running text"; }
    const char* operator()(const Completion&) const { return kFormats[1].second; }
    const char* operator()(const Conversation&) const { return kFormats[2].second; }
    const char* operator()(const Segments&) const { return kFormats[3].second; }
  } title;
  return std::visit(title, example.content);
}

}  // namespace

DataExample parse_example(std::string_view json, Index line, const std::string& where) {
  if (!lorapro::io::is_utf8(json)) throw FormatError(where + ": expected UTF-8, got other bytes");
  const Json document = lorapro::io::parse_document<Json>(json, where);
  const Fields fields(document, where);
  const std::string format = format_of(fields);
  if (format == "text") return {line, WholeText{fields.answer("text")}};
  if (format == "completion") {
    return {line, Completion{fields.text("prompt"), fields.answer("completion")}};
  }
  if (format == "messages") return {line, parse_conversation(fields)};
  return {line, parse_segments(fields)};
}

DataFile parse_jsonl(std::istream& stream, const std::string& name) {
  DataFile file{name, {}};
  std::string line;
  for (Index number = 1; std::getline(stream, line); ++number) {
    std::string_view json = line;
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (number == 1 && json.substr(0, 3) == kByteOrderMark) json.remove_prefix(3);
    if (is_blank(json)) continue;
    const std::string where = fmt::format("{}: line {}", file.path, number);
    DataExample example = parse_example(json, number, where);
    if (!file.examples.empty() &&
        file.examples.front().content.index() != example.content.index()) {
      throw FormatError(fmt::format("{}: expected {} as in line {}, got {}", where,
                                    title_of(file.examples.front()), file.examples.front().line,
                                    title_of(example)));
    }
    file.examples.push_back(std::move(example));
  }
  if (stream.bad()) throw lorapro::FileError(file.path + ": cannot be read");
  if (file.examples.empty()) throw FormatError(file.path + ": expected an example, got none");
  return file;
}

DataFile read_jsonl(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream || !std::filesystem::is_regular_file(path)) {
    throw lorapro::FileError(path.string() + ": cannot be opened");
  }
  return parse_jsonl(stream, path.string());
}

}  // namespace examples::llm
