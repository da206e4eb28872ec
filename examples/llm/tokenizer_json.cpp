// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "tokenizer_json.hpp"

#include "byte_alphabet.hpp"
#include "json_place.hpp"
#include "scored_pieces.hpp"

namespace examples::llm {

namespace {

class Reader {
 public:
  Reader(const JsonPlace& document, const std::string& file) : document_(document) {
    parts_.file = file;
  }

  BpeParts read() {
    const JsonPlace model = document_["model"];
    if (model["type"].text_or("BPE") != "BPE") model["type"].fail("\"BPE\"");
    read_normalizer(document_["normalizer"]);
    read_pre_tokenizer(document_["pre_tokenizer"]);
    if (parts_.spacing.prefix != Spacing::Prefix::none && !parts_.spacing.visible)
      document_["normalizer"].fail("Prepend with Replace");
    if (parts_.byte_level == (parts_.spacing.visible || parts_.piece_spacing.visible))
      document_["pre_tokenizer"].fail("either ByteLevel, or U+2581 for spaces");
    read_model(model);
    if (const JsonPlace added = document_["added_tokens"])
      added.for_each([&](const JsonPlace& token) { read_added_token(token); });
    read_post_processor(document_["post_processor"]);
    return std::move(parts_);
  }

 private:
  void read_normalizer(const JsonPlace& normalizer) {
    if (!normalizer) return;
    const std::string type = normalizer["type"].text();
    if (type == "Sequence") {
      normalizer["normalizers"].for_each([&](const JsonPlace& one) { read_normalizer(one); });
    } else if (type == "NFC") {
      parts_.nfc = true;
    } else if (type == "Prepend") {
      expect(normalizer["prepend"], kVisibleSpace);
      if (parts_.spacing.prefix != Spacing::Prefix::none) normalizer.fail("one Prepend");
      parts_.spacing.prefix = Spacing::Prefix::always;
    } else if (type == "Replace") {
      expect(normalizer["pattern"]["String"], " ");
      expect(normalizer["content"], kVisibleSpace);
      parts_.spacing.visible = true;
    } else {
      normalizer["type"].fail("Sequence, NFC, Prepend or Replace");
    }
  }

  void read_pre_tokenizer(const JsonPlace& pre_tokenizer) {
    read_splits(pre_tokenizer);
    parts_.pre_tokenizer = PreTokenizer(patterns_);
  }

  void read_splits(const JsonPlace& place) {
    if (!place) return;
    const std::string type = place["type"].text();
    if (type == "Sequence")
      return place["pretokenizers"].for_each([&](const JsonPlace& one) { read_splits(one); });
    if (parts_.byte_level) place.fail("nothing behind ByteLevel");
    const bool is_first = patterns_.empty() && !parts_.piece_spacing.visible;
    if (type == "ByteLevel") {
      parts_.byte_level = true;
      if (place["add_prefix_space"].flag_or(true)) {
        if (!is_first) place["add_prefix_space"].fail("false behind another pre-tokenizer");
        parts_.piece_spacing.prefix = Spacing::Prefix::unless_there;
      }
      if (place["use_regex"].flag_or(true)) patterns_.push_back(SplitPattern::gpt2);
    } else if (type == "Digits") {
      const bool alone = place["individual_digits"].flag_or(false);
      patterns_.push_back(alone ? SplitPattern::digits : SplitPattern::digit_runs);
    } else if (type == "Split") {
      read_split(place);
    } else if (type == "Metaspace") {
      if (!is_first) place.fail("no pre-tokenizer before Metaspace");
      read_metaspace(place);
    } else {
      place["type"].fail("Sequence, ByteLevel, Split, Digits or Metaspace");
    }
  }

  void read_split(const JsonPlace& split) {
    const JsonPlace regex = split["pattern"]["Regex"];
    const auto pattern = split_pattern_of_regex(regex.text());
    if (!pattern)
      throw lorapro::FormatError(parts_.file +
                                 ": pre_tokenizer: expected the pattern of GPT-2, Llama 3 or "
                                 "Qwen 2, got " +
                                 regex.text());
    // What the patterns match is all of a text: to leave out the rest leaves out nothing.
    const bool inverted = split["invert"].flag_or(false);
    expect(split["behavior"], inverted ? "Removed" : "Isolated");
    patterns_.push_back(*pattern);
  }

  void read_metaspace(const JsonPlace& metaspace) {
    expect(metaspace["replacement"], kVisibleSpace);
    const bool prefixed = metaspace["add_prefix_space"].flag_or(true);
    const std::string scheme = metaspace["prepend_scheme"].text_or(prefixed ? "always" : "never");
    parts_.piece_spacing.visible = true;
    if (scheme == "always") {
      parts_.piece_spacing.prefix = Spacing::Prefix::unless_there;
    } else if (scheme == "first") {
      parts_.piece_spacing.prefix = Spacing::Prefix::unless_there_once;
    } else if (scheme != "never") {
      metaspace["prepend_scheme"].fail("always, first or never");
    }
    if (metaspace["split"].flag_or(true)) patterns_.push_back(SplitPattern::metaspace);
  }

  void read_model(const JsonPlace& model) {
    const JsonPlace dropout = model["dropout"];
    if (dropout && dropout.value() != 0) dropout.fail("none");
    for (const char* const affix : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!model[affix].text_or("").empty()) model[affix].fail("none");
    byte_fallback_ = model["byte_fallback"].flag_or(false);
    if (byte_fallback_ && parts_.byte_level) model["byte_fallback"].fail("false with ByteLevel");
    parts_.fuses_unknown = model["fuse_unk"].flag_or(false);
    parts_.ignores_merges = model["ignore_merges"].flag_or(false);

    model["vocab"].for_each_entry([&](const std::string& text, const JsonPlace& place) {
      const TokenId id = place.number_below(BpeParts::kMostTokens);
      if (is_taken(id)) place.fail("an id for each token");
      put_piece(static_cast<std::size_t>(id), text);
      ids_.emplace(text, id);
    });
    const JsonPlace unknown = model["unk_token"];
    if (unknown) parts_.unknown = id_of(unknown, unknown.text());
    read_merges(model["merges"]);
  }

  bool is_taken(TokenId id) const {
    const auto index = static_cast<std::size_t>(id);
    return index < parts_.tokens.size() && parts_.tokens[index].is_known;
  }

  void put_piece(std::size_t id, const std::string& text) {
    VocabularyToken& token = parts_.put(id, text);
    if (parts_.byte_level) {
      const auto bytes = bytes_of_alphabet(text);
      if (!bytes) return;
      token.text = *bytes;
      if (bytes->size() == 1)
        parts_.bytes[static_cast<unsigned char>(bytes->front())] = static_cast<TokenId>(id);
    } else if (const auto byte = byte_of_name(text); byte && byte_fallback_) {
      token.text.assign(1, static_cast<char>(*byte));
      parts_.bytes[*byte] = static_cast<TokenId>(id);
      return;
    }
    token.is_piece = true;
  }

  TokenId id_of(const JsonPlace& place, std::string_view text) const {
    const auto found = ids_.find(text);
    if (found == ids_.end())
      place.fail("tokens of the vocabulary, " + lorapro::io::detail::quoted_name(text) +
                 " among them");
    return found->second;
  }

  void read_merges(const JsonPlace& merges) {
    if (!merges.is_list()) merges.fail("a list");
    parts_.bpe.reserve(merges.value().size());
    std::int32_t rank = 0;
    merges.for_each([&](const JsonPlace& merge) {
      std::string_view left, right;
      if (merge.is_text()) {
        const std::string_view both = merge.text();
        const auto space = both.find(' ');
        if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
          merge.fail("two tokens with a space between them");
        left = both.substr(0, space);
        right = both.substr(space + 1);
      } else {
        if (!merge.is_list() || merge.value().size() != 2 || !merge.value()[0].is_string() ||
            !merge.value()[1].is_string())
          merge.fail("two tokens");
        left = merge.value()[0].get_ref<const std::string&>();
        right = merge.value()[1].get_ref<const std::string&>();
      }
      const Bpe::Merge made{id_of(merge, left), id_of(merge, right),
                            id_of(merge, std::string(left).append(right)), rank++};
      for (const TokenId id : {made.left, made.right, made.merged})
        if (!parts_.byte_level && !parts_.tokens[static_cast<std::size_t>(id)].is_piece)
          merge.fail("no bytes of byte_fallback");
      if (!parts_.bpe.add(made)) merge.fail("each pair once");
    });
  }

  void read_added_token(const JsonPlace& place) {
    AddedToken token;
    token.id = place["id"].number_below(BpeParts::kMostTokens);
    token.content = place["content"].text();
    token.special = place["special"].flag_or(false);
    token.lstrip = place["lstrip"].flag_or(false);
    token.rstrip = place["rstrip"].flag_or(false);
    if (place["single_word"].flag_or(false)) place["single_word"].fail("false");
    const auto known = ids_.find(token.content);
    if (known != ids_.end() ? known->second != token.id : is_taken(token.id))
      place["id"].fail("an id of its own, or that of the vocabulary");
    const auto index = static_cast<std::size_t>(token.id);
    if (known == ids_.end() || parts_.tokens[index].text != token.content)
      parts_.put(index, token.content).is_piece = false;
    const bool normalized = place["normalized"].flag_or(!token.special);
    const std::string name = token.content;
    if (normalized) token.content = parts_.normalize(name, true);
    parts_.add(token, name, normalized);
  }

  void read_post_processor(const JsonPlace& place) {
    if (!place) return;
    const std::string type = place["type"].text();
    if (type == "Sequence") {
      place["processors"].for_each([&](const JsonPlace& one) { read_post_processor(one); });
    } else if (type == "TemplateProcessing") {
      read_template(place);
    } else if (type != "ByteLevel") {
      place["type"].fail("Sequence, TemplateProcessing or ByteLevel");
    }
  }

  /// A special token before the text is BOS. Those behind it are for who makes examples to add.
  void read_template(const JsonPlace& place) {
    bool is_before = true;
    place["single"].for_each([&](const JsonPlace& item) {
      if (item["Sequence"]) is_before = false;
      if (!is_before || !item["SpecialToken"]) return;
      if (parts_.adds_bos) item.fail("one token before the text");
      const JsonPlace name = item["SpecialToken"]["id"];
      const auto token = parts_.added.find(name.text());
      if (token == parts_.added.end()) name.fail("one of added_tokens");
      parts_.bos = token->second;
      parts_.adds_bos = true;
    });
  }

  static void expect(const JsonPlace& place, std::string_view text) {
    if (!place || place.text() != text) place.fail(lorapro::io::detail::quoted_name(text));
  }

  JsonPlace document_;
  BpeParts parts_;
  std::vector<SplitPattern> patterns_;
  bool byte_fallback_ = false;
  std::map<std::string, TokenId, std::less<>> ids_;  // by the text of the file
};

}  // namespace

BpeParts parse_tokenizer_json(std::string_view text, const std::string& file) {
  const auto document = lorapro::io::parse_document<nlohmann::json>(text, file);
  return Reader(JsonPlace(document, file), file).read();
}

}  // namespace examples::llm
