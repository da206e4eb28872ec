// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "chat_template.hpp"

#include <lorapro/core/file_error.hpp>
#include <utility>

namespace examples::llm {

namespace {

using lorapro::FormatError;

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\n\v\f\r";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// Appends to the last segment where that is of the same kind.
void append(Segments& segments, const std::string& text, bool train) {
  if (!segments.empty() && segments.back().train == train) {
    segments.back().text += text;
  } else if (!text.empty()) {
    segments.push_back({text, train});
  }
}

/// What stands before a message's content, and behind it; an answer is trained on from `answer` to
/// `close`.
struct Turn {
  std::string open, answer, content, close, after;
};

Turn turn_of(ChatStyle style, const std::string& role, const std::string& content,
             const EdgeTokens& edges) {
  switch (style) {
    case ChatStyle::chatml:
      return {"<|im_start|>" + role + "\n", "", content, "<|im_end|>", "\n"};
    case ChatStyle::llama3:
      return {"<|start_header_id|>" + role + "<|end_header_id|>\n\n", "", trimmed(content),
              "<|eot_id|>", ""};
    case ChatStyle::zephyr:
      return {"<|" + role + "|>\n", "", content, edges.eos, "\n"};
    case ChatStyle::llama2:
      if (role == "user") return {edges.bos + "[INST] ", "", trimmed(content), " [/INST]", ""};
      return {"", " ", trimmed(content), " " + edges.eos, ""};
    case ChatStyle::mistral:
      if (role == "user") return {"[INST] ", "", content, " [/INST]", ""};
      return {"", " ", content, edges.eos, ""};
  }
  return {};
}

bool alternates(ChatStyle style) {
  return style == ChatStyle::llama2 || style == ChatStyle::mistral;
}

/// Whether BOS is a part of the template itself.
bool begins_with_bos(ChatStyle style) {
  return style == ChatStyle::llama3 || style == ChatStyle::mistral;
}

/// The conversation as the style has it: with the default system text, or with the system message
/// in the first of the user's.
Conversation arranged(const ChatTemplate& chat, Conversation conversation) {
  const bool has_system = !conversation.empty() && conversation.front().role == "system";
  if (!has_system && !chat.default_system.empty()) {
    conversation.insert(conversation.begin(), {"system", chat.default_system});
  }
  if (!alternates(chat.style)) return conversation;
  if (has_system && chat.style == ChatStyle::mistral) {
    throw FormatError(
        "messages: expected no system message, as the template mistral has no place for one; it "
        "can be a part of the first message of the user");
  }
  if (has_system) {
    const std::string system = conversation.front().content;
    conversation.erase(conversation.begin());
    if (!conversation.empty()) {
      conversation.front().content =
          "<<SYS>>\n" + system + "\n<</SYS>>\n\n" + conversation.front().content;
    }
  }
  for (std::size_t i = 0; i < conversation.size(); ++i) {
    const char* const expected = i % 2 == 0 ? "user" : "assistant";
    if (conversation[i].role != expected) {
      throw FormatError("messages: expected user and assistant in turn, as the template " +
                        std::string(name_of(chat.style)) + " has them, got " +
                        conversation[i].role + " in place of " + expected);
    }
  }
  return conversation;
}

}  // namespace

std::string_view name_of(ChatStyle style) {
  for (const auto& candidate : kChatStyles) {
    if (candidate.style == style) return candidate.name;
  }
  return "";
}

std::optional<ChatStyle> chat_style_named(std::string_view name) {
  for (const auto& candidate : kChatStyles) {
    if (candidate.name == name) return candidate.style;
  }
  return std::nullopt;
}

Segments ChatTemplate::render(const Conversation& conversation, const EdgeTokens& edges) const {
  Segments segments;
  if (begins_with_bos(style)) append(segments, edges.bos, false);
  for (const Message& message : arranged(*this, conversation)) {
    const bool train = message.role == "assistant";
    const Turn turn = turn_of(style, message.role, message.content, edges);
    append(segments, turn.open, false);
    append(segments, turn.answer + turn.content + turn.close, train);
    append(segments, turn.after, false);
  }
  return segments;
}

std::string ChatTemplate::render_prompt(const Conversation& conversation,
                                        const EdgeTokens& edges) const {
  std::string text;
  for (const Segment& segment : render(conversation, edges)) text += segment.text;
  return text + turn_of(style, "assistant", "", edges).open;
}

}  // namespace examples::llm
