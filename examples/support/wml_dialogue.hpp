// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cctype>  // std::isspace
#include <string>
#include <string_view>
#include <vector>

#include "text_files.hpp"

// The dialogues in the scenario files of Battle for Wesnoth, which are written in WML:
//
//     [message]
//         speaker=Konrad
//         message= _ "Very well, let us hurry!"
//     [/message]
namespace examples {

struct Utterance {
  std::string speaker;
  std::string text;
};

/// Utterances that follow each other with nothing but comments and macros in between.
using Conversation = std::vector<Utterance>;

namespace detail {

/// What a person would read of a string: without markup such as <i>, notes to translators ("note^")
/// and line breaks.
inline std::string spoken_text(std::string_view raw) {
  if (const auto note = raw.find('^'); note != std::string_view::npos) raw.remove_prefix(note + 1);
  std::string text;
  bool in_markup = false;
  for (const char c : plain_text(raw)) {
    if (c == '<' || c == '>') {
      in_markup = c == '<';
    } else if (!in_markup) {
      const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
      if (!space) {
        text.push_back(c);
      } else if (!text.empty() && text.back() != ' ') {
        text.push_back(' ');
      }
    }
  }
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

/// Reads WML as far as dialogues need it: tags, keys with their strings, and nothing of macros.
class WmlReader {
 public:
  explicit WmlReader(std::string_view text) : text_(text) {}

  std::vector<Conversation> read() {
    while (at_ < text_.size()) {
      skip_blanks();
      if (at_ >= text_.size()) break;
      if (text_[at_] == '[') {
        read_tag();
      } else if (text_[at_] == '#') {
        skip_line();
      } else {
        read_key_or_macro();
      }
    }
    end_conversation();
    return std::move(conversations_);
  }

 private:
  void skip_blanks() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }
  void skip_line() { at_ = std::min(text_.find('\n', at_), text_.size()); }

  void read_tag() {
    const auto end = text_.find(']', at_);
    if (end == std::string_view::npos) {
      at_ = text_.size();
      return;
    }
    const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    const bool closes = !name.empty() && name.front() == '/';
    if (depth_ > 0) {  // within a message
      depth_ += closes ? -1 : 1;
      if (name == "option") branches_ = true;
      if (depth_ == 0) end_message();
    } else if (name == "message") {
      depth_ = 1;
      branches_ = false;
      message_ = {};
    } else {
      end_conversation();
    }
  }

  void read_key_or_macro() {
    const auto line_end = std::min(text_.find('\n', at_), text_.size());
    const auto equals = text_.find('=', at_);
    if (equals >= line_end || text_[at_] == '{') {
      skip_quoted_line();
      return;
    }
    std::string_view key = text_.substr(at_, equals - at_);
    while (!key.empty() && key.back() == ' ') key.remove_suffix(1);
    at_ = equals + 1;
    const std::string value = read_value();
    if (depth_ != 1) return;  // not in a message, or in something within it
    if (key == "speaker") message_.speaker = spoken_text(value);
    if (key == "message") message_.text = spoken_text(value);
  }

  /// A line whose strings may go on over several lines.
  void skip_quoted_line() {
    while (at_ < text_.size() && text_[at_] != '\n') {
      if (text_[at_] == '"') {
        read_string();
      } else {
        ++at_;
      }
    }
  }

  /// The strings of a value, joined; or the rest of the line if there is no string.
  std::string read_value() {
    std::string strings, bare;
    bool any_string = false;
    while (at_ < text_.size() && text_[at_] != '\n' && text_[at_] != '#') {
      if (text_[at_] == '"') {
        strings += read_string();
        any_string = true;
      } else if (text_[at_] == '+') {  // goes on, perhaps on the next line
        ++at_;
        skip_blanks();
      } else {
        bare.push_back(text_[at_++]);
      }
    }
    return any_string ? strings : bare;
  }

  /// From a quotation mark to the next; two of them within stand for one.
  std::string read_string() {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') {
          ++at_;
          break;
        }
        ++at_;
      }
      value.push_back(text_[at_]);
    }
    return value;
  }

  void end_message() {
    const bool has_text = message_.text.find_first_of("{$|") == std::string::npos &&
                          message_.text.size() >= 2;  // no macros or variables
    if (has_text && !message_.speaker.empty() && message_.speaker != "narrator") {
      conversation_.push_back(message_);
    } else {
      end_conversation();
    }
    if (branches_) end_conversation();
  }

  void end_conversation() {
    if (!conversation_.empty()) conversations_.push_back(std::move(conversation_));
    conversation_.clear();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;  // of tags, counted from the message that is being read
  bool branches_ = false;
  Utterance message_;
  Conversation conversation_;
  std::vector<Conversation> conversations_;
};

}  // namespace detail

/// The conversations in a scenario file; whatever else is in it is passed over.
inline std::vector<Conversation> read_conversations(std::string_view wml) {
  return detail::WmlReader(wml).read();
}

}  // namespace examples
