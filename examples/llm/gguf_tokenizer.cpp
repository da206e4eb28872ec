// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "gguf_tokenizer.hpp"

#include "byte_alphabet.hpp"
#include "scored_pieces.hpp"

namespace examples::llm {

namespace {

using lorapro::io::GgufArray;
using lorapro::io::GgufReader;
using Kind = ScoredPiece::Kind;

/// What tokenizer.ggml.pre stands for.
struct Pre {
  const char* name;
  std::vector<SplitPattern> patterns;
  bool nfc, ignores_merges, adds_bos;
};

const std::vector<Pre>& known_pres() {
  static const std::vector<Pre> kPres{
      {"gpt-2", {SplitPattern::gpt2}, false, false, false},
      {"smollm", {SplitPattern::digits, SplitPattern::gpt2}, false, false, false},
      {"llama-bpe", {SplitPattern::llama3}, false, true, true},
      {"qwen2", {SplitPattern::qwen2}, true, false, false},
  };
  return kPres;
}

class Reader {
 public:
  explicit Reader(const GgufReader& file) : file_(file) { parts_.file = file.file(); }

  BpeParts read() {
    const auto& model = file_.get<std::string>("tokenizer.ggml.model");
    if (model != "llama" && model != "gpt2")
      file_.fail("key tokenizer.ggml.model: expected llama or gpt2, got " +
                 lorapro::io::detail::quoted_name(model));
    const auto& texts = array<std::string>("tokenizer.ggml.tokens");
    if (texts.empty() || texts.size() > BpeParts::kMostTokens)
      file_.fail("key tokenizer.ggml.tokens: expected 1 to " +
                 std::to_string(BpeParts::kMostTokens) + " tokens, got " +
                 std::to_string(texts.size()));
    types_ = types(texts.size());
    if (model == "llama") {
      read_pieces(texts);
    } else {
      read_bytes(texts);
    }
    parts_.bos = id("tokenizer.ggml.bos_token_id", parts_.bos);
    parts_.eos = id("tokenizer.ggml.eos_token_id", parts_.eos);
    parts_.adds_bos = flag("tokenizer.ggml.add_bos_token", parts_.adds_bos);
    return std::move(parts_);
  }

 private:
  template <typename T>
  const std::vector<T>& array(const std::string& key) const {
    const auto* const values = std::get_if<std::vector<T>>(&file_.get<GgufArray>(key));
    if (values == nullptr)
      file_.fail("key " + key + ": expected an array of type " +
                 std::to_string(GgufArray(std::vector<T>{}).index()) + ", got another");
    return *values;
  }

  template <typename T>
  const std::vector<T>& array(const std::string& key, std::size_t size) const {
    const auto& values = array<T>(key);
    if (values.size() != size)
      file_.fail("key " + key + ": expected an element for each of " + std::to_string(size) +
                 " tokens, got " + std::to_string(values.size()));
    return values;
  }

  bool flag(const char* key, bool otherwise) const {
    return file_.find(key) == nullptr ? otherwise : file_.get<bool>(key);
  }

  std::optional<TokenId> id(const char* key, std::optional<TokenId> otherwise) const {
    if (file_.find(key) == nullptr) return otherwise;
    const auto value = file_.get<std::uint32_t>(key);
    if (value >= types_.size())
      file_.fail(std::string("key ") + key + ": expected an id below " +
                 std::to_string(types_.size()) + ", got " + std::to_string(value));
    return static_cast<TokenId>(value);
  }

  std::vector<Kind> types(std::size_t size) const {
    constexpr const char* kKey = "tokenizer.ggml.token_type";
    constexpr Kind kKinds[] = {Kind::normal, Kind::unknown, Kind::control,
                               Kind::added,  Kind::unused,  Kind::byte};
    std::vector<Kind> out;
    for (const std::int32_t type : array<std::int32_t>(kKey, size)) {
      if (type < 1 || type > 6)
        file_.fail(std::string("key ") + kKey + ": expected types from 1 to 6, got " +
                   std::to_string(type));
      out.push_back(kKinds[type - 1]);
    }
    return out;
  }

  void read_pieces(const std::vector<std::string>& texts) {
    const auto& scores = array<float>("tokenizer.ggml.scores", texts.size());
    std::vector<ScoredPiece> pieces(texts.size());
    for (std::size_t k = 0; k < texts.size(); ++k)
      pieces[k] = {texts[k], static_cast<double>(scores[k]), types_[k]};
    const bool prefixed = flag("tokenizer.ggml.add_space_prefix", true);
    parts_.spacing.visible = true;
    parts_.spacing.prefix = prefixed ? Spacing::Prefix::always : Spacing::Prefix::none;
    parts_.fuses_unknown = true;
    put_scored_pieces(pieces, parts_);
    parts_.bos = 1;
    parts_.eos = 2;
    parts_.adds_bos = true;
  }

  void read_bytes(const std::vector<std::string>& texts) {
    const auto& name = file_.get<std::string>("tokenizer.ggml.pre");
    const Pre* known = nullptr;
    std::string names;
    for (const Pre& pre : known_pres()) {
      if (pre.name == name) known = &pre;
      names += (names.empty() ? "" : ", ") + std::string(pre.name);
    }
    if (known == nullptr)
      file_.fail("key tokenizer.ggml.pre: expected one of " + names + ", got " +
                 lorapro::io::detail::quoted_name(name));
    parts_.byte_level = true;
    parts_.nfc = known->nfc;
    parts_.ignores_merges = known->ignores_merges;
    parts_.adds_bos = known->adds_bos;
    parts_.pre_tokenizer = PreTokenizer(known->patterns);
    for (std::size_t k = 0; k < texts.size(); ++k) put(k, texts[k]);
    read_merges();
  }

  void put(std::size_t index, const std::string& text) {
    const auto number = static_cast<TokenId>(index);
    VocabularyToken& token = parts_.put(index, text);
    if (types_[index] == Kind::normal) {
      if (!ids_.emplace(text, number).second)
        file_.fail("key tokenizer.ggml.tokens: expected each token once, got " +
                   lorapro::io::detail::quoted_name(text) + " again");
      const auto bytes = bytes_of_alphabet(text);
      if (!bytes) return;
      token.text = *bytes;
      token.is_piece = true;
      if (bytes->size() == 1) parts_.bytes[static_cast<unsigned char>(bytes->front())] = number;
    } else if (types_[index] != Kind::unused && types_[index] != Kind::byte) {
      AddedToken added;
      added.id = number;
      added.content = text;
      added.special = types_[index] != Kind::added;
      parts_.add(added, text, false);
    }
  }

  void read_merges() {
    std::int32_t rank = 0;
    for (const std::string& merge : array<std::string>("tokenizer.ggml.merges")) {
      const std::string place = "key tokenizer.ggml.merges: element " + std::to_string(rank);
      const auto space = merge.find(' ');
      const std::string left = merge.substr(0, space);
      const std::string right = space == std::string::npos ? "" : merge.substr(space + 1);
      const auto find = [&](const std::string& text) {
        const auto found = ids_.find(text);
        if (found == ids_.end() || left.empty() || right.empty())
          file_.fail(place + ": expected two tokens that make a third, got " +
                     lorapro::io::detail::quoted_name(merge));
        return found->second;
      };
      if (!parts_.bpe.add({find(left), find(right), find(left + right), rank++}))
        file_.fail(place + ": expected each pair once, got " +
                   lorapro::io::detail::quoted_name(merge) + " again");
    }
  }

  const GgufReader& file_;
  BpeParts parts_;
  std::vector<Kind> types_;
  std::unordered_map<std::string, TokenId> ids_;  // of the normal ones
};

}  // namespace

BpeParts read_gguf_tokenizer(const lorapro::io::GgufReader& file) { return Reader(file).read(); }

}  // namespace examples::llm
