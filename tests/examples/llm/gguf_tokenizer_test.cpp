// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llm/gguf_tokenizer.hpp"

#include "support/catch.hpp"
#include "support/gguf_bytes.hpp"
#include "support/message_of.hpp"

namespace {

using examples::llm::BpeTokenizer;
using examples::llm::SpecialTokens;
using examples::llm::TokenId;

/// The tokenizer's keys, each of which a test may leave out or write in its own way.
struct GgufKeys {
  std::string model = "gpt2";
  std::string pre = "llama-bpe";
  std::vector<std::string> tokens{"a",     "b",   "\xc4\xa0", "ab", "\xc4\xa0\x61\x62",
                                  "<end>", "<x>", "[PAD7]"};
  std::vector<std::int32_t> types{1, 1, 1, 1, 1, 3, 4, 5};
  std::vector<float> scores = {};
  std::vector<std::string> merges{"a b"};
  std::uint32_t eos = 5;
  std::optional<std::uint32_t> bos = {};

  std::string file() const {
    using namespace gguf_bytes;
    Bytes out;
    out.header(0, 6U + (scores.empty() ? 0U : 1U) + (bos ? 1U : 0U));
    out.key("tokenizer.ggml.model", text).string(model);
    out.key("tokenizer.ggml.pre", text).string(pre);
    out.key("tokenizer.ggml.tokens", array)
        .put(std::uint32_t{text})
        .put(std::uint64_t{tokens.size()});
    for (const auto& token : tokens) out.string(token);
    out.key("tokenizer.ggml.token_type", array)
        .put(std::uint32_t{i32})
        .put(std::uint64_t{types.size()});
    for (const auto type : types) out.put(type);
    if (!scores.empty())
      out.key("tokenizer.ggml.scores", array)
          .put(std::uint32_t{f32})
          .put(std::uint64_t{scores.size()});
    for (const auto score : scores) out.put(score);
    out.key("tokenizer.ggml.merges", array)
        .put(std::uint32_t{text})
        .put(std::uint64_t{merges.size()});
    for (const auto& merge : merges) out.string(merge);
    out.key("tokenizer.ggml.eos_token_id", u32).put(eos);
    if (bos) out.key("tokenizer.ggml.bos_token_id", u32).put(*bos);
    return out.str();
  }
};

BpeTokenizer tokenizer_of_gguf(const std::string& bytes) {
  return BpeTokenizer(examples::llm::read_gguf_tokenizer(lorapro::io::GgufReader(
      reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), "t.gguf")));
}

std::vector<TokenId> ids_of_gguf(const GgufKeys& keys, std::string_view text) {
  std::vector<TokenId> ids;
  tokenizer_of_gguf(keys.file()).encode(text, SpecialTokens::parse, ids);
  return ids;
}

std::string problem_of_gguf(const GgufKeys& keys) {
  return message_of<lorapro::FormatError>([&] { tokenizer_of_gguf(keys.file()); });
}

}  // namespace

TEST_CASE("the byte-level tokenizer of a GGUF file") {
  GgufKeys keys;
  keys.pre = "qwen2";
  CHECK(ids_of_gguf(keys, "ab ab<end><x>") == std::vector<TokenId>{3, 2, 3, 5, 6});
  const BpeTokenizer tokenizer = tokenizer_of_gguf(keys.file());
  CHECK(tokenizer.eos() == 5);
  CHECK_FALSE(tokenizer.adds_bos());
  CHECK(tokenizer.is_special(5));
  CHECK_FALSE(tokenizer.is_special(6));
  CHECK(tokenizer.size() == 8);
  CHECK(tokenizer.piece(4) == " ab");
}

TEST_CASE("llama-bpe takes a piece that is a token, and puts BOS before texts") {
  GgufKeys keys;
  CHECK_THAT(problem_of_gguf(keys), contains_text("expected a BOS token"));
  keys.bos = 5;
  CHECK(ids_of_gguf(keys, " ab") == std::vector<TokenId>{4});
  CHECK(tokenizer_of_gguf(keys.file()).adds_bos());
  keys.pre = "smollm";
  CHECK(ids_of_gguf(keys, " ab") == std::vector<TokenId>{2, 3});
}

TEST_CASE("the SentencePiece tokenizer of a GGUF file") {
  GgufKeys keys;
  keys.model = "llama";
  keys.tokens = {"<unk>", "<s>", "</s>", "\xe2\x96\x81", "a", "\xe2\x96\x81\x61"};
  keys.types = {2, 3, 3, 1, 1, 1};
  keys.scores = {0, 0, 0, -2, -3, -1};
  keys.eos = 2;
  CHECK(ids_of_gguf(keys, "a a?</s>") == std::vector<TokenId>{5, 5, 0, 2});
  const BpeTokenizer tokenizer = tokenizer_of_gguf(keys.file());
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.bos() == 1);
  keys.scores.pop_back();
  CHECK_THAT(
      problem_of_gguf(keys),
      contains_text("tokenizer.ggml.scores: expected an element for each of 6 tokens, got 5"));
}

TEST_CASE("a tokenizer in a GGUF file that is not understood is refused by name") {
  const auto changed = [](auto&& change) {
    GgufKeys keys;
    keys.pre = "gpt-2";
    change(keys);
    return problem_of_gguf(keys);
  };
  CHECK(changed([](GgufKeys& k) { k.model = "bert"; }) ==
        "t.gguf: key tokenizer.ggml.model: expected llama or gpt2, got \"bert\"");
  CHECK_THAT(changed([](GgufKeys& k) { k.pre = "tekken"; }),
             contains_text("expected one of gpt-2, smollm, llama-bpe, qwen2, got \"tekken\""));
  CHECK_THAT(changed([](GgufKeys& k) { k.types[0] = 7; }), contains_text("types from 1 to 6"));
  CHECK_THAT(changed([](GgufKeys& k) { k.types.pop_back(); }), contains_text("each of 8 tokens"));
  CHECK_THAT(changed([](GgufKeys& k) { k.tokens[1] = "a"; }), contains_text("each token once"));
  CHECK_THAT(changed([](GgufKeys& k) { k.tokens[6] = "<end>"; }), contains_text("got two"));
  CHECK_THAT(changed([](GgufKeys& k) { k.merges = {"ab"}; }),
             contains_text("two tokens that make"));
  CHECK_THAT(changed([](GgufKeys& k) { k.merges = {"b a"}; }), contains_text("element 0"));
  CHECK_THAT(changed([](GgufKeys& k) {
               k.merges = {"a b", "a b"};
             }),
             contains_text("element 1: expected each pair once"));
  CHECK_THAT(changed([](GgufKeys& k) { k.eos = 8; }), contains_text("expected an id below 8"));
}
