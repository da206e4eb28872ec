// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/tokenizer_json.hpp"

#include <lorapro/core/file_error.hpp>

#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

using examples::llm::BpeTokenizer;
using examples::llm::parse_tokenizer_json;
using examples::llm::SpecialTokens;
using examples::llm::TokenId;
using nlohmann::json;

/// Byte-level as GPT-2's, of a few letters and digits, one of them of two bytes.
json byte_level_json() {
  return json::parse(R"({
    "added_tokens": [{"id": 11, "content": "<end>", "special": true, "normalized": false},
                     {"id": 12, "content": "<x>", "special": false, "normalized": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": null,
    "model": {"type": "BPE", "unk_token": null, "ignore_merges": false,
      "vocab": {"a": 0, "b": 1, "c": 2, "Ġ": 3, "ab": 4, "Ġab": 5, "1": 6, "2": 7, "Ã": 8, "©": 9,
                "Ã©": 10},
      "merges": ["a b", "Ġ ab", "Ã ©"]}})");
}

/// As Llama 2's.
json sentencepiece_json() {
  return json::parse(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true, "normalized": false},
                     {"id": 1, "content": "<s>", "special": true, "normalized": false}],
    "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true,
      "vocab": {"<unk>": 0, "<s>": 1, "▁": 2, "a": 3, "b": 4, "▁a": 5, "<0xC3>": 6, "<0xA9>": 7},
      "merges": [["▁", "a"]]}})");
}

BpeTokenizer tokenizer_of(const json& file) {
  return BpeTokenizer(parse_tokenizer_json(file.dump(), "t.json"));
}

std::vector<TokenId> ids_of_json(const json& file, std::string_view text,
                                 SpecialTokens special = SpecialTokens::parse) {
  std::vector<TokenId> ids;
  tokenizer_of(file).encode(text, special, ids);
  return ids;
}

std::string problem_of_json(const json& file) {
  return message_of<lorapro::FormatError>([&] { tokenizer_of(file); });
}

}  // namespace

TEST_CASE("a byte-level tokenizer.json encodes and decodes") {
  const auto tokenizer = tokenizer_of(byte_level_json());
  std::vector<TokenId> ids;
  tokenizer.encode("ab abc1\xc3\xa9<end><x>a", SpecialTokens::parse, ids);
  CHECK(ids == std::vector<TokenId>{4, 5, 2, 6, 10, 11, 12, 0});
  CHECK(tokenizer.decode(ids) == "ab abc1\xc3\xa9<x>a");
  CHECK(tokenizer.size() == 13);
  CHECK(tokenizer.piece(5) == " ab");
  CHECK(tokenizer.piece(8) == "\xc3");
  CHECK(tokenizer.piece(11) == "<end>");
  CHECK(tokenizer.special("<end>") == 11);
  CHECK_FALSE(tokenizer.special("ab"));
  CHECK(tokenizer.is_special(11));
  CHECK_FALSE(tokenizer.is_special(12));
  CHECK_FALSE(tokenizer.adds_bos());
  CHECK_FALSE(tokenizer.bos());
  CHECK(message_of<lorapro::ConfigError>([&] { tokenizer.piece(13); }) ==
        "token id: expected 0 to 12, got 13");
}

TEST_CASE("a special token is text where that is asked for") {
  json file = byte_level_json();
  file["model"]["vocab"].update({{"<", 13}, {">", 14}, {"e", 15}, {"n", 16}, {"d", 17}});
  CHECK(ids_of_json(file, "<end>", SpecialTokens::as_text) ==
        std::vector<TokenId>{13, 15, 16, 17, 14});
}

TEST_CASE("a byte without a token is unknown, or an error that names it") {
  CHECK(message_of<lorapro::FormatError>([] { ids_of_json(byte_level_json(), "ab\tc"); }) ==
        "t.json: expected a token for every text, got none for byte 0 of \"\\t\"");
  json file = byte_level_json();
  file["model"]["unk_token"] = "c";
  CHECK(ids_of_json(file, "a\t\t") == std::vector<TokenId>{0, 2, 2});
  file["model"]["fuse_unk"] = true;
  CHECK(ids_of_json(file, "a\t\t") == std::vector<TokenId>{0, 2});
}

TEST_CASE("a piece that is a token is that token, where merges are ignored") {
  json file = byte_level_json();
  file["model"]["merges"] = json::array({"a b"});
  CHECK(ids_of_json(file, " ab ") == std::vector<TokenId>{3, 4, 3});
  file["model"]["ignore_merges"] = true;
  CHECK(ids_of_json(file, " ab ") == std::vector<TokenId>{5, 3});
}

TEST_CASE("texts are composed first where the normalizer says so") {
  json file = byte_level_json();
  file["model"]["vocab"].update({{"e", 13}, {"Ì", 14}, {"ģ", 15}});
  CHECK(ids_of_json(file, "e\xcc\x81") == std::vector<TokenId>{13, 14, 15});
  file["normalizer"] = {{"type", "NFC"}};
  CHECK(ids_of_json(file, "e\xcc\x81") == std::vector<TokenId>{10});
}

TEST_CASE("a tokenizer.json after SentencePiece encodes and decodes") {
  const auto tokenizer = tokenizer_of(sentencepiece_json());
  std::vector<TokenId> ids;
  tokenizer.encode("a ab\xc3\xa9\xe2\x82\xac\xe2\x82\xac<s>b", SpecialTokens::parse, ids);
  CHECK(ids == std::vector<TokenId>{5, 5, 4, 6, 7, 0, 1, 2, 4});
  CHECK(tokenizer.decode({5, 5, 4, 6, 7, 1, 2, 4}) == "a ab\xc3\xa9 b");
  CHECK(tokenizer.piece(5) == " a");
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.adds_bos());
}

TEST_CASE("a tokenizer.json that is not understood is refused by name") {
  const auto changed = [](json file, const char* pointer, const json& value) {
    file[json::json_pointer(pointer)] = value;
    return problem_of_json(file);
  };
  const json bytes = byte_level_json(), pieces = sentencepiece_json();
  CHECK(changed(bytes, "/model/type", "Unigram") ==
        "t.json: model.type: expected \"BPE\", got \"Unigram\"");
  CHECK_THAT(changed(bytes, "/normalizer", {{"type", "NFKC"}}),
             contains_text("normalizer.type: expected Sequence, NFC, Prepend or Replace"));
  CHECK_THAT(changed(bytes, "/pre_tokenizer",
                     {{"type", "Split"},
                      {"pattern", {{"Regex", "\\w+"}}},
                      {"behavior", "Isolated"},
                      {"invert", false}}),
             contains_text("expected the pattern of GPT-2, Llama 3 or Qwen 2, got \\w+"));
  CHECK_THAT(changed(bytes, "/pre_tokenizer", nullptr),
             contains_text("expected either ByteLevel, or U+2581 for spaces, got nothing"));
  CHECK_THAT(changed(bytes, "/model/dropout", 0.1), contains_text("dropout: expected none"));
  CHECK_THAT(changed(bytes, "/model/end_of_word_suffix", "</w>"), contains_text("expected none"));
  CHECK_THAT(changed(bytes, "/model/vocab/c", 1), contains_text("an id for each token, got 1"));
  CHECK_THAT(changed(bytes, "/model/vocab/c", -1), contains_text("a whole number from 0"));
  CHECK_THAT(changed(bytes, "/model/vocab/c", 1 << 20), contains_text("a whole number from 0"));
  CHECK_THAT(changed(bytes, "/model/vocab/c", "2"), contains_text("a whole number from 0"));
  CHECK_THAT(changed(bytes, "/model/vocab", {{std::string(5000, 'a'), 0}}),
             contains_text("expected at most 4096 bytes, got 5000"));
  CHECK_THAT(changed(bytes, "/model/merges/0", "ab"), contains_text("merges[0]: expected two"));
  CHECK_THAT(changed(bytes, "/model/merges/0", "a b c"), contains_text("merges[0]: expected two"));
  CHECK_THAT(changed(bytes, "/model/merges/0", {"a"}), contains_text("merges[0]: expected two"));
  CHECK_THAT(changed(bytes, "/model/merges/1", "a c"),
             contains_text("merges[1]: expected tokens of the vocabulary, \"ac\" among them"));
  CHECK_THAT(changed(bytes, "/model/merges/1", "a b"), contains_text("expected each pair once"));
  CHECK_THAT(changed(bytes, "/model/unk_token", "?"), contains_text("unk_token"));
  CHECK_THAT(changed(bytes, "/added_tokens/0/id", 3), contains_text("an id of its own"));
  CHECK_THAT(changed(bytes, "/added_tokens/0/content", "ab"), contains_text("an id of its own"));
  CHECK_THAT(changed(bytes, "/added_tokens/0/content", ""), contains_text("expected 1 to 1024"));
  CHECK_THAT(changed(bytes, "/added_tokens/0/content", "<x>"), contains_text("got two"));
  CHECK_THAT(changed(bytes, "/added_tokens/0/single_word", true), contains_text("single_word"));
  CHECK_THAT(changed(bytes, "/post_processor", {{"type", "BertProcessing"}}),
             contains_text("post_processor.type"));
  CHECK_THAT(changed(pieces, "/model/merges/0", {"<0xC3>", "a"}), contains_text("merges[0]"));
  CHECK_THAT(changed(pieces, "/normalizer", {{"type", "Prepend"}, {"prepend", "_"}}),
             contains_text("prepend: expected \"\\u2581\", got \"_\""));
  CHECK_THAT(changed(pieces, "/normalizer/normalizers/1", {{"type", "NFC"}}),
             contains_text("expected Prepend with Replace"));
  CHECK_THAT(changed(pieces, "/post_processor/single/0/SpecialToken/id", "<t>"),
             contains_text("expected one of added_tokens, got \"<t>\""));
  CHECK_THAT(problem_of_json(json::array()), contains_text("expected a JSON object"));
  CHECK_THAT(problem_of_json(json::object()), contains_text("model: expected an object"));
}
