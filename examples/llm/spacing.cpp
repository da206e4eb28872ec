// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "spacing.hpp"

namespace examples::llm {

namespace {

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

std::string Spacing::apply(std::string_view text, bool is_first) const {
  if (removes_extra) {
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    while (ends_with(text, " ") || ends_with(text, kVisibleSpace))
      text.remove_suffix(text.back() == ' ' ? 1 : kVisibleSpace.size());
  }
  if (text.empty()) return {};
  const std::string_view space = visible ? kVisibleSpace : " ";
  const bool is_there = begins_with(text, " ") || begins_with(text, space);
  const bool prefixed = prefix == Prefix::always || (prefix == Prefix::unless_there && !is_there) ||
                        (prefix == Prefix::unless_there_once && !is_there && is_first);
  std::string out;
  out.reserve(text.size() + space.size());
  if (prefixed) out += space;
  bool behind_space = false;
  for (const char c : text) {
    if (c != ' ') {
      out.push_back(c);
    } else if (!removes_extra || !behind_space) {
      out += space;
    }
    behind_space = c == ' ';
  }
  return out;
}

}  // namespace examples::llm
