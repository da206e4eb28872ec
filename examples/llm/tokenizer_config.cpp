// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "tokenizer_config.hpp"

#include "json_place.hpp"

namespace examples::llm {

namespace {

/// The token that a key names: its text, or an object with the text.
std::optional<TokenId> token_of(const JsonPlace& place, const BpeParts& parts) {
  if (!place) return std::nullopt;
  const JsonPlace content = place.is_object() ? place["content"] : place;
  const auto added = parts.added.find(content.text());
  if (added != parts.added.end()) return added->second;
  for (std::size_t id = 0; id < parts.tokens.size(); ++id)
    if (parts.tokens[id].is_known && parts.tokens[id].text == content.text())
      return static_cast<TokenId>(id);
  content.fail("a token of " + parts.file);
}

/// The id that a key has, the first where it has a list.
std::optional<TokenId> id_of(const JsonPlace& place, const BpeParts& parts) {
  std::optional<TokenId> out;
  const auto take = [&](const JsonPlace& one) {
    const TokenId id = one.number_below(parts.tokens.size());
    if (!out) out = id;
  };
  if (place.is_list()) {
    place.for_each(take);
  } else if (place) {
    take(place);
  }
  return out;
}

void expect_token(const JsonPlace& place, std::size_t id, std::string_view content,
                  const BpeParts& parts) {
  if (id >= parts.tokens.size() || parts.tokens[id].text != content)
    place.fail("a token that " + parts.file + " has with this id");
}

/// Tokens by id, each an object with its text.
void check_decoder(const JsonPlace& decoder, const BpeParts& parts) {
  decoder.for_each_entry([&](const std::string& id, const JsonPlace& token) {
    const bool is_number =
        !id.empty() && id.size() <= 9 && id.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) token.fail("an id as key");
    expect_token(token, std::stoul(id), token["content"].text(), parts);
  });
}

template <typename Reader>
bool read_where_there(const std::filesystem::path& path, Reader&& reader) {
  if (!std::filesystem::exists(path)) return false;
  const auto document = lorapro::io::read_document<nlohmann::json>(path);
  reader(JsonPlace(document, path.string()));
  return true;
}

}  // namespace

void read_tokenizer_config(const std::filesystem::path& folder, BpeParts& parts) {
  bool has_bos = false, has_eos = false;
  const auto take = [](bool& has, std::optional<TokenId>& token, std::optional<TokenId> found) {
    if (has || !found) return;
    token = found;
    has = true;
  };
  bool has_decoder = false;
  const bool has_config =
      read_where_there(folder / "tokenizer_config.json", [&](const JsonPlace& config) {
        take(has_bos, parts.bos, token_of(config["bos_token"], parts));
        take(has_eos, parts.eos, token_of(config["eos_token"], parts));
        parts.adds_bos = config["add_bos_token"].flag_or(parts.adds_bos);
        const JsonPlace decoder = config["added_tokens_decoder"];
        has_decoder = static_cast<bool>(decoder);
        if (has_decoder) check_decoder(decoder, parts);
      });
  if (!has_decoder)
    read_where_there(folder / "added_tokens.json", [&](const JsonPlace& tokens) {
      tokens.for_each_entry([&](const std::string& content, const JsonPlace& id) {
        expect_token(id, static_cast<std::size_t>(id.number_below(BpeParts::kMostTokens)), content,
                     parts);
      });
    });
  const bool has_map =
      read_where_there(folder / "special_tokens_map.json", [&](const JsonPlace& map) {
        take(has_bos, parts.bos, token_of(map["bos_token"], parts));
        take(has_eos, parts.eos, token_of(map["eos_token"], parts));
      });
  if (has_config || has_map) return;
  for (const char* const name : {"generation_config.json", "config.json"})
    read_where_there(folder / name, [&](const JsonPlace& config) {
      take(has_bos, parts.bos, id_of(config["bos_token_id"], parts));
      take(has_eos, parts.eos, id_of(config["eos_token_id"], parts));
    });
}

}  // namespace examples::llm
