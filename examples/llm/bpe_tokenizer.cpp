// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "bpe_tokenizer.hpp"

#include <lorapro/io/error.hpp>
#include <lorapro/io/utf8.hpp>

#include "unicode_text.hpp"

namespace examples::llm {

void BpeParts::fail(const std::string& problem) const {
  throw lorapro::FormatError(file + ": " + problem);
}

VocabularyToken& BpeParts::put(std::size_t id, std::string text) {
  if (id >= kMostTokens)
    fail("token " + std::to_string(id) + ": expected an id below " + std::to_string(kMostTokens));
  if (text.size() > kMostBytes)
    fail("token " + std::to_string(id) + ": expected at most " + std::to_string(kMostBytes) +
         " bytes, got " + std::to_string(text.size()));
  if (id >= tokens.size()) tokens.resize(id + 1);
  tokens[id].text = std::move(text);
  tokens[id].is_known = true;
  return tokens[id];
}

void BpeParts::add(const AddedToken& token, const std::string& name, bool normalized) {
  const std::string what = "added token " + lorapro::io::detail::quoted_name(name);
  if (token.content.empty() || token.content.size() > AddedTokens::kMostBytes)
    fail(what + ": expected 1 to " + std::to_string(AddedTokens::kMostBytes) + " bytes, got " +
         std::to_string(token.content.size()));
  if (!(normalized ? normalized_tokens : raw_tokens).add(token) ||
      !added.emplace(name, token.id).second)
    fail(what + ": expected one of this content, got two");
  tokens[static_cast<std::size_t>(token.id)].is_special = token.special;
}

std::string BpeParts::normalize(std::string_view text, bool is_first) const {
  return spacing.apply(nfc ? examples::llm::nfc(text) : std::string(text), is_first);
}

namespace {

std::uint64_t pair_key(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32U | static_cast<std::uint32_t>(right);
}

}  // namespace

BpeTokenizer::BpeTokenizer(BpeParts parts) : parts_(std::move(parts)) {
  pieces_.reserve(parts_.tokens.size());
  for (std::size_t id = 0; id < parts_.tokens.size(); ++id)
    if (parts_.tokens[id].is_piece)
      pieces_.emplace(parts_.tokens[id].text, static_cast<TokenId>(id));
  if (!parts_.byte_level) find_neighbours();
  for (const auto& [name, id] : {std::pair{"BOS", parts_.bos}, std::pair{"EOS", parts_.eos},
                                 std::pair{"the unknown token", parts_.unknown}})
    if (id && (*id < 0 || *id >= size() || !token(*id).is_known))
      parts_.fail(std::string(name) + ": expected the id of a token, got " + std::to_string(*id));
  if (parts_.adds_bos && !parts_.bos)
    parts_.fail("expected a BOS token, as texts begin with it, got none");
}

const VocabularyToken& BpeTokenizer::token(TokenId id) const {
  if (id < 0 || id >= size())
    throw lorapro::ConfigError("token id: expected 0 to " + std::to_string(size() - 1) + ", got " +
                               std::to_string(id));
  return parts_.tokens[static_cast<std::size_t>(id)];
}

void BpeTokenizer::encode(std::string_view text, SpecialTokens special,
                          std::vector<TokenId>& ids) const {
  std::string repaired;
  if (!lorapro::io::is_utf8(text)) text = repaired = repaired_utf8(text);
  Workspace workspace;
  parts_.raw_tokens.split(text, special, [&](std::string_view part, const AddedToken* added) {
    if (added != nullptr) return ids.push_back(added->id);
    const bool is_first = part.data() == text.data();
    const std::string normal = parts_.normalize(part, is_first);
    const char* const start = normal.data();
    parts_.normalized_tokens.split(
        normal, special, [&](std::string_view inner, const AddedToken* inner_added) {
          if (inner_added != nullptr) return ids.push_back(inner_added->id);
          const std::string spaced =
              parts_.piece_spacing.apply(inner, is_first && inner.data() == start);
          parts_.pre_tokenizer.split(
              spaced, [&](std::string_view piece) { encode_piece(piece, workspace, ids); });
        });
  });
}

void BpeTokenizer::encode_piece(std::string_view piece, Workspace& workspace,
                                std::vector<TokenId>& ids) const {
  if (parts_.ignores_merges) {
    const auto found = pieces_.find(piece);
    if (found != pieces_.end()) return ids.push_back(found->second);
  }
  std::vector<TokenId>&unit = workspace.unit, &run = workspace.run;
  const auto finish_run = [&] {
    parts_.bpe.encode(run, workspace.bpe);
    ids.insert(ids.end(), run.begin(), run.end());
    run.clear();
  };
  run.clear();
  bool behind_unknown = false;
  for (std::size_t at = 0; at < piece.size();) {
    unit.clear();
    const auto [bytes, is_unknown] = push_unit(piece.substr(at), unit);
    if (is_unknown && !parts_.unknown)
      parts_.fail("expected a token for every text, got none for byte " + std::to_string(at) +
                  " of " + lorapro::io::detail::quoted_name(piece));
    if (is_unknown && !(behind_unknown && parts_.fuses_unknown)) unit.push_back(*parts_.unknown);
    behind_unknown = is_unknown;
    at += bytes;
    if (!run.empty() && !unit.empty() && !may_merge(run.back(), unit.front())) finish_run();
    run.insert(run.end(), unit.begin(), unit.end());
  }
  finish_run();
}

bool BpeTokenizer::may_merge(TokenId left, TokenId right) const {
  return parts_.byte_level || neighbours_.count(pair_key(left, right)) != 0;
}

void BpeTokenizer::find_neighbours() {
  std::vector<TokenId> units;
  for (const auto& [text, id] : pieces_) {
    units.clear();
    for (std::size_t at = 0; at < text.size();) {
      const auto [bytes, is_unknown] = push_unit(text.substr(at), units);
      if (is_unknown) units.push_back(BpeParts::kNoToken);
      at += bytes;
    }
    for (std::size_t k = 1; k < units.size(); ++k)
      neighbours_.insert(pair_key(units[k - 1], units[k]));
  }
}

std::pair<std::size_t, bool> BpeTokenizer::push_unit(std::string_view text,
                                                     std::vector<TokenId>& ids) const {
  const std::size_t bytes = parts_.byte_level ? 1 : code_point_bytes(text.front());
  if (!parts_.byte_level) {
    const auto found = pieces_.find(text.substr(0, bytes));
    if (found != pieces_.end()) {
      ids.push_back(found->second);
      return {bytes, false};
    }
  }
  const std::size_t before = ids.size();
  for (const char c : text.substr(0, bytes)) {
    const TokenId byte = parts_.bytes[static_cast<unsigned char>(c)];
    if (byte == BpeParts::kNoToken) {
      ids.resize(before);
      return {bytes, true};
    }
    ids.push_back(byte);
  }
  return {bytes, false};
}

std::string BpeTokenizer::piece(TokenId id) const {
  const VocabularyToken& found = token(id);
  if (parts_.byte_level || !found.is_piece) return found.text;
  std::string out;
  for (std::size_t at = 0; at < found.text.size();) {
    const bool is_space = found.text.compare(at, kVisibleSpace.size(), kVisibleSpace) == 0;
    out.push_back(is_space ? ' ' : found.text[at]);
    at += is_space ? kVisibleSpace.size() : 1;
  }
  return out;
}

std::string BpeTokenizer::decode(const std::vector<TokenId>& ids) const {
  std::string out;
  for (const TokenId id : ids)
    if (!token(id).is_special) out += piece(id);
  // The space that encode() puts in front.
  const auto puts_one = [](const Spacing& spacing) {
    return spacing.visible && spacing.prefix != Spacing::Prefix::none;
  };
  const bool strips = puts_one(parts_.spacing) || puts_one(parts_.piece_spacing);
  if (strips && !out.empty() && out.front() == ' ') out.erase(0, 1);
  return out;
}

std::optional<TokenId> BpeTokenizer::special(std::string_view text) const {
  const auto found = parts_.added.find(text);
  if (found == parts_.added.end()) return std::nullopt;
  return found->second;
}

bool BpeTokenizer::is_special(TokenId id) const { return token(id).is_special; }

}  // namespace examples::llm
