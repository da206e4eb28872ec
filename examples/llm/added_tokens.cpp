// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "added_tokens.hpp"

#include "unicode_text.hpp"

namespace examples::llm {

namespace {

bool is_white_space(std::string_view text, std::size_t at) {
  const CharClass category = char_class(next_code_point(text, at));
  return category == CharClass::space || category == CharClass::line_break;
}

/// Where the white space that ends at `end` begins.
std::size_t before_spaces(std::string_view text, std::size_t end) {
  while (end > 0) {
    std::size_t at = end - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80) --at;
    if (!is_white_space(text, at)) break;
    end = at;
  }
  return end;
}

std::size_t behind_spaces(std::string_view text, std::size_t begin) {
  while (begin < text.size() && is_white_space(text, begin)) begin += code_point_bytes(text[begin]);
  return begin;
}

}  // namespace

bool AddedTokens::add(const AddedToken& token) {
  std::size_t node = 0;
  for (const char c : token.content) {
    const auto [entry, is_new] = nodes_[node].next.emplace(c, nodes_.size());
    node = entry->second;
    if (is_new) nodes_.emplace_back();
  }
  if (nodes_[node].token != kNone) return false;
  nodes_[node].token = tokens_.size();
  tokens_.push_back(token);
  return true;
}

const AddedToken* AddedTokens::longest(std::string_view text, std::size_t at) const {
  const AddedToken* found = nullptr;
  std::size_t node = 0;
  for (; at < text.size(); ++at) {
    const auto next = nodes_[node].next.find(text[at]);
    if (next == nodes_[node].next.end()) break;
    node = next->second;
    if (nodes_[node].token != kNone) found = &tokens_[nodes_[node].token];
  }
  return found;
}

void AddedTokens::split(
    std::string_view text, SpecialTokens special,
    const std::function<void(std::string_view, const AddedToken*)>& visit) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size() && !tokens_.empty();) {
    const AddedToken* const token = longest(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->special && special == SpecialTokens::as_text) continue;
    if (token->lstrip) begin = done + before_spaces(text.substr(done), begin - done);
    if (token->rstrip) end = at = behind_spaces(text, end);
    if (begin > done) visit(text.substr(done, begin - done), nullptr);
    visit(text.substr(begin, end - begin), token);
    done = end;
  }
  if (done < text.size()) visit(text.substr(done), nullptr);
}

}  // namespace examples::llm
