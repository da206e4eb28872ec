// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "chat_template_file.hpp"

#include <lorapro/io/json_document.hpp>
#include <nlohmann/json.hpp>
#include <optional>

namespace examples::llm {

namespace {

using lorapro::FormatError;
namespace fs = std::filesystem;

constexpr const char* kWayOut =
    "; --chat-template names one of chatml, llama3, llama2, mistral and zephyr, and data in the "
    "format {\"segments\": [{\"text\", \"train\"}]} need none";

struct Marker {
  ChatStyle style;
  std::string_view text;
};

constexpr std::array kMarkers{
    Marker{ChatStyle::chatml, "<|im_start|>"},
    Marker{ChatStyle::llama3, "<|start_header_id|>"},
    Marker{ChatStyle::zephyr, "<|assistant|>"},
    Marker{ChatStyle::mistral, "[INST]"},
};

/// What makes a template render otherwise than its style does.
struct Obstacle {
  std::string_view text;
  const char* meaning;
};

constexpr std::array kObstacles{
    Obstacle{"strftime_now", "writes the date of the day (strftime_now)"},
    Obstacle{"date_string", "writes a date (date_string)"},
    Obstacle{"<think>", "writes blocks of thought (<think>)"},
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// With the line breaks that a string of Jinja has as \n.
std::string with_line_breaks(std::string_view jinja) {
  std::string text;
  for (std::size_t i = 0; i < jinja.size(); ++i) {
    if (jinja.substr(i, 2) == "\\n") {
      text += '\n';
      ++i;
    } else {
      text += jinja[i];
    }
  }
  return text;
}

/// The text between the tokens of a system message, where the template has it as it stands.
std::string default_system_of(std::string_view jinja, const std::string& where) {
  constexpr std::string_view kOpen = "<|im_start|>system\n", kClose = "<|im_end|>";
  const std::string text = with_line_breaks(jinja);
  std::string found;
  for (std::size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at)) {
    at += kOpen.size();
    const std::size_t end = text.find(kClose, at);
    if (end == std::string::npos) break;
    const std::string system = text.substr(at, end - at);
    // What a program puts together is none of its own.
    if (system.empty() || system.find_first_of("'\"{}\\") != std::string::npos) continue;
    if (!found.empty() && found != system) {
      throw FormatError(where + ": expected one default system text, got two" + kWayOut);
    }
    found = system;
  }
  return found;
}

std::string_view default_of(const nlohmann::json& list, const std::string& where) {
  for (const auto& item : list) {
    if (!item.is_object()) continue;
    const auto name = item.find("name"), text = item.find("template");
    if (name == item.end() || *name != "default") continue;
    if (text != item.end() && text->is_string()) return text->get_ref<const std::string&>();
  }
  throw FormatError(where + ": expected a template named default, got none" + kWayOut);
}

}  // namespace

ChatTemplate recognise_chat_template(std::string_view jinja, const std::string& where) {
  std::optional<Marker> found;
  for (const Marker& marker : kMarkers) {
    if (!contains(jinja, marker.text)) continue;
    if (found) {
      throw FormatError(where + ": expected the markers of one style, got " +
                        std::string(found->text) + " and " + std::string(marker.text) + kWayOut);
    }
    found = marker;
  }
  if (!found) {
    throw FormatError(where + ": expected the markers of a known style, got none of them" +
                      kWayOut);
  }
  for (const Obstacle& obstacle : kObstacles) {
    if (contains(jinja, obstacle.text)) {
      throw FormatError(where +
                        ": expected a template that renders the messages alone, got one "
                        "that " +
                        obstacle.meaning + kWayOut);
    }
  }
  ChatTemplate chat;
  chat.style = found->style;
  if (chat.style == ChatStyle::mistral && contains(jinja, "<<SYS>>")) {
    chat.style = ChatStyle::llama2;
  }
  if (chat.style == ChatStyle::chatml) chat.default_system = default_system_of(jinja, where);
  return chat;
}

ChatTemplate read_chat_template(const fs::path& model) {
  const fs::path jinja = model / "chat_template.jinja";
  if (fs::exists(jinja)) {
    constexpr std::uint64_t kLargest = std::uint64_t{1} << 20;
    const lorapro::io::FileReader file(jinja);
    if (file.size() > kLargest) {
      throw FormatError(jinja.string() + ": expected at most 1 MiB, got " +
                        std::to_string(file.size()) + " bytes");
    }
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    file.read(0, text.size(), text.data());
    return recognise_chat_template(text, jinja.string());
  }
  const fs::path config = model / "tokenizer_config.json";
  if (!fs::exists(config)) {
    throw FormatError(model.string() +
                      ": expected chat_template.jinja or tokenizer_config.json with the model's "
                      "chat template, got none" +
                      kWayOut);
  }
  const auto document = lorapro::io::read_document<nlohmann::json>(config);
  const std::string where = config.string() + ": chat_template";
  const auto value = document.find("chat_template");
  if (value == document.end() || value->is_null()) {
    throw FormatError(where + ": expected a template, got none" + kWayOut);
  }
  if (value->is_array()) return recognise_chat_template(default_of(*value, where), where);
  if (!value->is_string()) {
    throw FormatError(where + ": expected a text or a list of them, got " +
                      lorapro::io::detail::shown(*value));
  }
  return recognise_chat_template(value->get_ref<const std::string&>(), where);
}

}  // namespace examples::llm
