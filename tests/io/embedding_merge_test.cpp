// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/embedding_merge.hpp>
#include <lorapro/io/merge.hpp>

#include <map>

#include "support/catch.hpp"
#include "support/peft_folder.hpp"

namespace {

using lorapro::io::MergeReport;
using lorapro::io::PeftAdapter;
using lorapro::io::SafetensorsReader;
using nlohmann::json;
using peft_folder::floats;

constexpr int kHidden = 2;
const std::string kEmbedding = "model.embed_tokens.weight", kHead = "lm_head.weight",
                  kNorm = "model.norm.weight";

/// Tensors by name: rows of kHidden numbers, or one row of one dimension for names in .bias.
using Tensors = std::map<std::string, std::vector<float>>;

std::string table_file(const Tensors& tensors) {
  std::string header, data;
  for (const auto& [name, values] : tensors) {
    const bool factor_A = name.find("lora_A") != std::string::npos;
    const bool factor_B = name.find("lora_B") != std::string::npos;
    const auto size = values.size();
    const std::string shape = name.find(".bias") != std::string::npos
                                  ? "[" + std::to_string(size) + "]"
                              : factor_A ? "[1," + std::to_string(size) + "]"
                              : factor_B ? "[" + std::to_string(size) + ",1]"
                                         : "[" + std::to_string(size / kHidden) + ",2]";
    if (!header.empty()) header += ",";
    header += "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + ",\"data_offsets\":[" +
              std::to_string(data.size()) + ",";
    data += floats(values);
    header += std::to_string(data.size()) + "]}";
  }
  return peft_folder::file(header, data);
}

/// A base and an adapter in folders of their own, and what merging them gives.
class TiedMerge {
 public:
  TiedMerge(const Tensors& base, const json& config, Tensors adapter, json adapter_config = {}) {
    std::filesystem::create_directory(scratch_.path() / "base");
    std::filesystem::create_directory(scratch_.path() / "adapter");
    scratch_.write("base/model.safetensors", table_file(base));
    if (!config.is_null()) scratch_.write("base/config.json", config.dump());
    json fields = json::parse(peft_folder::kConfig);
    fields["rank_pattern"] = json::object();
    fields["alpha_pattern"] = json::object();
    fields["target_modules"] = {"lm_head", "embed_tokens", "norm"};
    fields["r"] = 1;
    fields["lora_alpha"] = 1;
    fields["modules_to_save"] = {"embed_tokens", "lm_head"};
    for (const auto& item : adapter_config.items()) fields[item.key()] = item.value();
    scratch_.write("adapter/adapter_config.json", fields.dump());
    Tensors named;
    for (const auto& [name, values] : adapter) named["base_model.model." + name] = values;
    scratch_.write("adapter/adapter_model.safetensors", table_file(named));
  }

  MergeReport run() const {
    return merge_adapter(scratch_.path() / "base", PeftAdapter(scratch_.path() / "adapter"), out());
  }

  Tensors tensors() const {
    Tensors found;
    const SafetensorsReader file(out() / "model.safetensors");
    for (const auto& tensor : file.tensors()) {
      auto& values = found[tensor.name];
      values.resize(static_cast<std::size_t>(tensor.count()));
      file.read(tensor, values.data());
    }
    return found;
  }

  json config() const { return json::parse(bytes_of_file(out() / "config.json")); }
  std::filesystem::path out() const { return scratch_.path() / "out"; }
  const ScratchFolder& scratch() const { return scratch_; }

  void check_refused(const std::string& message) const {
    CHECK_THROWS_WITH(run(), contains_text(message));
    CHECK_FALSE(std::filesystem::exists(out()));
  }

 private:
  ScratchFolder scratch_;
};

const std::vector<float> kOld{1, 2, 3, 4}, kNew{5, 6, 7, 8}, kOther{9, 10, 11, 12};
const std::vector<float> kGrown{5, 6, 7, 8, 9, 9}, kOtherGrown{1, 1, 2, 2, 3, 3};
const Tensors kTiedBase{{kEmbedding, kOld}};
const Tensors kUntiedBase{{kEmbedding, kOld}, {kHead, kOther}};
// s B A = [1; 2] [10 20].
const Tensors kHeadPair{{"lm_head.lora_A.weight", {10, 20}}, {"lm_head.lora_B.weight", {1, 2}}};
const std::vector<float> kOldWithPair{11, 22, 23, 44};

json llama_config(const json& tied = true) {
  json out{{"architectures", {"LlamaForCausalLM"}}, {"model_type", "llama"}, {"vocab_size", 2}};
  if (!tied.is_null()) out["tie_word_embeddings"] = tied;
  return out;
}

bool notes_say(const MergeReport& report, const std::string& text) {
  for (const std::string& note : report.notes)
    if (note.find(text) != std::string::npos) return true;
  return false;
}

TEST_CASE("an embedding alone into a tied base: the head stays what it was", "[embedding_merge]") {
  const TiedMerge merge(kTiedBase, llama_config(), {{kEmbedding, kNew}});
  const MergeReport report = merge.run();
  CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kOld}});
  CHECK(merge.config()["tie_word_embeddings"] == false);
  CHECK(merge.config()["vocab_size"] == 2);
  CHECK(report.replaced == 1);
  CHECK(report.added == 1);
  CHECK(
      notes_say(report, "\"lm_head.weight\" is tied to \"model.embed_tokens.weight\" in the base"));
}

TEST_CASE("a head by LoRA into a tied base: the embedding stays", "[embedding_merge]") {
  const TiedMerge merge(kTiedBase, llama_config(), kHeadPair);
  const MergeReport report = merge.run();
  CHECK(merge.tensors() == Tensors{{kEmbedding, kOld}, {kHead, kOldWithPair}});
  CHECK(merge.config()["tie_word_embeddings"] == false);
  CHECK(report.added == 1);
  CHECK(report.copied == 1);

  // The head is linear where the other modules are (in, out).
  const TiedMerge turned(kTiedBase, llama_config(), kHeadPair, {{"fan_in_fan_out", true}});
  turned.run();
  CHECK(turned.tensors()[kHead] == kOldWithPair);
}

TEST_CASE("both whole into a tied base", "[embedding_merge]") {
  const TiedMerge apart(kTiedBase, llama_config(), {{kEmbedding, kNew}, {kHead, kOther}});
  apart.run();
  CHECK(apart.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kOther}});
  CHECK(apart.config()["tie_word_embeddings"] == false);

  const TiedMerge equal(kTiedBase, llama_config(), {{kEmbedding, kNew}, {kHead, kNew}});
  const MergeReport report = equal.run();
  CHECK(equal.tensors() == Tensors{{kEmbedding, kNew}});
  CHECK(equal.config() == llama_config());
  CHECK(notes_say(report, "stays tied to \"model.embed_tokens.weight\" and changes with it"));
}

TEST_CASE("a table that is saved as the base has it changes nothing", "[embedding_merge]") {
  for (const std::string& name : {kEmbedding, kHead}) {
    const TiedMerge merge(kTiedBase, llama_config(), {{name, kOld}});
    CHECK(merge.run().notes.empty());
    CHECK(merge.tensors() == kTiedBase);
    CHECK(merge.config() == llama_config());
  }
}

TEST_CASE("a table from below a pair is the one that both share", "[embedding_merge]") {
  using namespace lorapro::io;
  // As PEFT saves a tied model that was resized, with a pair on its head.
  const TiedMerge files(kTiedBase, llama_config(), {{"lm_head.base_layer.weight", kGrown}});
  const auto adapter = std::make_shared<const SafetensorsReader>(
      files.scratch().path() / "adapter/adapter_model.safetensors");
  const ReplacedTensor table{kHead, adapter, adapter->tensors().front()};
  const AdapterModule pair{"lm_head", 3, kHidden, 1, 1, false, {}, {}};
  const lorapro::io::detail::ModelFiles base(files.scratch().path() / "base");
  ModelConfig config(files.scratch().path() / "base/config.json");
  lorapro::io::detail::TensorChanges changes;
  changes.whole[kHead] = &table;
  changes.pairs[kHead] = &pair;
  lorapro::io::detail::EmbeddingMerge(base, &config, {}, "adapter", changes).plan();
  CHECK(changes.added == kHead);
  CHECK(changes.added_from == kEmbedding);
  CHECK(changes.whole[kEmbedding] == &table);
  CHECK(changes.whole[kHead] == &table);
  CHECK(changes.pairs.size() == 1);
  CHECK(config.ties_embeddings() == false);
  CHECK(json::parse(config.text())["vocab_size"] == 3);
}

TEST_CASE("a pair is added to what is whole", "[embedding_merge]") {
  Tensors adapter = kHeadPair;
  adapter[kHead] = kNew;
  const TiedMerge merge(kUntiedBase, llama_config(false), adapter);
  CHECK(merge.run().merged == 1);
  CHECK(merge.tensors() == Tensors{{kEmbedding, kOld}, {kHead, {15, 26, 27, 48}}});
}

TEST_CASE("a pair of the embedding and one of the head", "[embedding_merge]") {
  Tensors adapter = kHeadPair;
  adapter["model.embed_tokens.lora_A.weight"] = {1, 0};
  adapter["model.embed_tokens.lora_B.weight"] = {100, 0};
  const TiedMerge merge(kTiedBase, llama_config(), adapter);
  merge.run();
  CHECK(merge.tensors() == Tensors{{kEmbedding, {101, 2, 3, 4}}, {kHead, kOldWithPair}});
}

TEST_CASE("an adapter that was trained tied stays tied", "[embedding_merge]") {
  const json ensured{{"ensure_weight_tying", true}};
  const TiedMerge merge(kTiedBase, llama_config(), {{kEmbedding, kNew}}, ensured);
  CHECK(notes_say(merge.run(), "changes with it"));
  CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}});
  CHECK(merge.config() == llama_config());
  // The files have the one table twice.
  const TiedMerge twice({{kEmbedding, kOld}, {kHead, kOld}}, llama_config(), {{kEmbedding, kNew}},
                        ensured);
  twice.run();
  CHECK(twice.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kNew}});
  TiedMerge(kTiedBase, llama_config(), kHeadPair, ensured)
      .check_refused("ensure_weight_tying: expected one whole tensor for embedding and head");
}

TEST_CASE("an untied base takes what the adapter has", "[embedding_merge]") {
  for (const json& config : {llama_config(false), llama_config(nullptr), json()}) {
    const TiedMerge merge(kUntiedBase, config, {{kEmbedding, kNew}});
    CHECK(merge.run().notes.empty());
    CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kOther}});
  }
  const TiedMerge head(kUntiedBase, llama_config(false), kHeadPair);
  head.run();
  CHECK(head.tensors() == Tensors{{kEmbedding, kOld}, {kHead, {19, 30, 31, 52}}});
}

TEST_CASE("a tied base whose files have another head", "[embedding_merge]") {
  const std::string message =
      "tie_word_embeddings: expected \"lm_head.weight\" of the files to be the same as "
      "\"model.embed_tokens.weight\"";
  TiedMerge(kUntiedBase, llama_config(), {{kEmbedding, kNew}}).check_refused(message);
  TiedMerge(kUntiedBase, llama_config(), kHeadPair).check_refused(message);
  // No matter where neither is left.
  const TiedMerge both(kUntiedBase, llama_config(), {{kEmbedding, kNew}, {kHead, kOld}});
  both.run();
  CHECK(both.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kOld}});
  CHECK(both.config()["tie_word_embeddings"] == false);
  // Or where neither is touched.
  const TiedMerge other(
      {{kEmbedding, kOld}, {kHead, kOther}, {kNorm, kOld}}, llama_config(),
      {{"model.norm.lora_A.weight", {1, 1}}, {"model.norm.lora_B.weight", {0, 0}}});
  CHECK(other.run().copied == 2);
  CHECK(other.config() == llama_config());
}

TEST_CASE("families that are tied where the config is silent", "[embedding_merge]") {
  for (const char* const type : {"gemma2", "gpt2", "llama"}) {
    // Without numbers of its own a head has to be tied, whatever the family.
    json config = llama_config(nullptr);
    config["model_type"] = type;
    const TiedMerge merge(kTiedBase, config, {{kEmbedding, kNew}});
    merge.run();
    CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}, {kHead, kOld}});
    CHECK(merge.config()["tie_word_embeddings"] == false);
  }
  json gemma = llama_config(nullptr);
  gemma["model_type"] = "gemma2";
  TiedMerge(kUntiedBase, gemma, kHeadPair).check_refused("tie_word_embeddings: expected");
}

TEST_CASE("names of other models, and a config in a config", "[embedding_merge]") {
  const std::tuple<std::string, std::string, json> cases[] = {
      {"transformer.wte.weight", "lm_head.weight", {{"model_type", "gpt2"}}},
      {"gpt_neox.embed_in.weight", "embed_out.weight", {{"tie_word_embeddings", true}}},
      {"language_model.model.embed_tokens.weight",
       "language_model.lm_head.weight",
       {{"text_config", {{"model_type", "gemma3_text"}}}}},
      {"model.language_model.embed_tokens.weight",
       "lm_head.weight",
       {{"text_config", {{"tie_word_embeddings", true}}}}}};
  for (const auto& [embedding, head, config] : cases) {
    CAPTURE(embedding);
    const TiedMerge merge({{embedding, kOld}}, config, {{embedding, kNew}},
                          {{"modules_to_save", {"wte", "embed_in", "embed_tokens"}}});
    merge.run();
    CHECK(merge.tensors() == Tensors{{embedding, kNew}, {head, kOld}});
    CHECK(merge.config()["tie_word_embeddings"] == false);
    if (config.contains("text_config"))
      CHECK(merge.config()["text_config"]["tie_word_embeddings"] == false);
  }
  // An image model's table beside.
  const TiedMerge beside({{kEmbedding, kOld}, {"vision.word_embeddings.weight", kOther}},
                         llama_config(), kHeadPair);
  beside.run();
  CHECK(beside.tensors()[kHead] == kOldWithPair);
  TiedMerge({{"x.embed_tokens.weight", kOld}}, llama_config(), {{"x.embed_tokens.weight", kNew}})
      .check_refused("expected a head with a name that is known beside");
}

TEST_CASE("models whose head cannot be untied, and models without", "[embedding_merge]") {
  json config = llama_config();
  config["is_encoder_decoder"] = true;
  TiedMerge(kTiedBase, config, {{kEmbedding, kNew}})
      .check_refused("expected a model whose head can be untied");
  json bare = llama_config();
  bare["architectures"] = {"LlamaModel"};
  const TiedMerge merge(kTiedBase, bare, {{kEmbedding, kNew}});
  CHECK(merge.run().notes.empty());
  CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}});
  CHECK(merge.config() == bare);
}

TEST_CASE("without a config it is said what is not known", "[embedding_merge]") {
  const TiedMerge merge(kTiedBase, nullptr, {{kEmbedding, kNew}});
  CHECK(notes_say(merge.run(), "and with it a head that is tied to it: no config.json"));
  CHECK(merge.tensors() == Tensors{{kEmbedding, kNew}});
  const TiedMerge silent({{"x.embed_tokens.weight", kOld}}, llama_config(nullptr),
                         {{"x.embed_tokens.weight", kNew}});
  CHECK(notes_say(silent.run(), "and with it a head that is tied to it"));
  TiedMerge(kTiedBase, nullptr, kHeadPair)
      .check_refused(
          "base: expected a tensor \"lm_head.weight\", as the adapter has one for it, got "
          "none, and no config.json beside it");
}

TEST_CASE("configs that contradict themselves", "[embedding_merge]") {
  json config = llama_config();
  config["text_config"] = {{"tie_word_embeddings", false}};
  TiedMerge(kTiedBase, config, {{kEmbedding, kNew}})
      .check_refused("tie_word_embeddings: expected one value");
}

TEST_CASE("embeddings that were resized", "[embedding_merge]") {
  const TiedMerge untied(kUntiedBase, llama_config(false),
                         {{kEmbedding, kGrown}, {kHead, kOtherGrown}});
  const MergeReport report = untied.run();
  CHECK(untied.tensors() == Tensors{{kEmbedding, kGrown}, {kHead, kOtherGrown}});
  CHECK(untied.config()["vocab_size"] == 3);
  CHECK(notes_say(report, "the vocabulary has 3 rows, for 2 of the base"));

  const TiedMerge equal(kTiedBase, llama_config(), {{kEmbedding, kGrown}, {kHead, kGrown}});
  equal.run();
  CHECK(equal.tensors() == Tensors{{kEmbedding, kGrown}});
  CHECK(equal.config()["vocab_size"] == 3);
  CHECK(equal.config()["tie_word_embeddings"] == true);

  const TiedMerge apart(kTiedBase, llama_config(), {{kEmbedding, kGrown}, {kHead, kOtherGrown}});
  apart.run();
  CHECK(apart.tensors() == Tensors{{kEmbedding, kGrown}, {kHead, kOtherGrown}});
  CHECK(apart.config()["vocab_size"] == 3);
  CHECK(apart.config()["tie_word_embeddings"] == false);

  const TiedMerge shrunk(kUntiedBase, llama_config(false), {{kEmbedding, {1, 2}}, {kHead, {3, 4}}});
  shrunk.run();
  CHECK(shrunk.config()["vocab_size"] == 1);
}

TEST_CASE("one table resized and not the other names both files and shapes", "[embedding_merge]") {
  for (const bool tied : {false, true}) {
    const TiedMerge merge(tied ? kTiedBase : kUntiedBase, llama_config(tied),
                          {{kEmbedding, kGrown}});
    merge.check_refused("\"base_model.model.model.embed_tokens.weight\" of " +
                        (merge.scratch().path() / "adapter/adapter_model.safetensors").string() +
                        " with the shape (3, 2), and ");
    merge.check_refused(" of " + (merge.scratch().path() / "base/model.safetensors").string() +
                        " with the shape (2, 2)");
  }
  TiedMerge(kUntiedBase, llama_config(false), {{kHead, kGrown}}).check_refused("with the shape");
  // A bias of the head has a number for each row as well.
  TiedMerge({{kEmbedding, kOld}, {kHead, kOther}, {"lm_head.bias", {1, 2}}}, llama_config(false),
            {{kEmbedding, kGrown}, {kHead, kGrown}})
      .check_refused("\"lm_head.bias\" of ");
  const TiedMerge bias({{kEmbedding, kOld}, {kHead, kOther}, {"lm_head.bias", {1, 2}}},
                       llama_config(false),
                       {{kEmbedding, kGrown}, {kHead, kGrown}, {"lm_head.bias", {1, 2, 3}}});
  bias.run();
  CHECK(bias.tensors()["lm_head.bias"] == std::vector<float>{1, 2, 3});
}

TEST_CASE("an index knows a head that was added and tables that grew", "[embedding_merge]") {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder.path() / "base");
  folder.write("base/1.safetensors", table_file({{kNorm, kOld}}));
  folder.write("base/2.safetensors", table_file(kTiedBase));
  folder.write("base/config.json", llama_config().dump());
  folder.write("base/model.safetensors.index.json",
               json{{"metadata", {{"total_size", 32}, {"total_parameters", 8}}},
                    {"weight_map", {{kNorm, "1.safetensors"}, {kEmbedding, "2.safetensors"}}}}
                   .dump());
  const TiedMerge donor(kTiedBase, llama_config(), {{kEmbedding, kGrown}, {kHead, kOtherGrown}});
  const auto out = folder.path() / "out";
  merge_adapter(folder.path() / "base", PeftAdapter(donor.scratch().path() / "adapter"), out);
  const json index = json::parse(bytes_of_file(out / "model.safetensors.index.json"));
  CHECK(index["weight_map"][kHead] == "2.safetensors");
  CHECK(index["weight_map"].size() == 3);
  CHECK(index["metadata"]["total_size"] == 16 + 24 + 24);
  CHECK(index["metadata"]["total_parameters"] == 4 + 6 + 6);
  CHECK(SafetensorsReader(out / "2.safetensors").at(kHead).shape[0] == 3);
  // What was written is a base itself.
  const TiedMerge again(kTiedBase, llama_config(), kHeadPair);
  CHECK_THROWS_WITH(
      merge_adapter(out, PeftAdapter(again.scratch().path() / "adapter"), folder.path() / "twice"),
      contains_text("expected the shape (3, 2), as "));
}

TEST_CASE("a file alone is untied, and its config left to whoever has it", "[embedding_merge]") {
  const TiedMerge merge(kTiedBase, llama_config(), kHeadPair);
  const auto out = merge.scratch().path() / "alone.safetensors";
  const MergeReport report = merge_adapter(merge.scratch().path() / "base/model.safetensors",
                                           PeftAdapter(merge.scratch().path() / "adapter"), out);
  CHECK(SafetensorsReader(out).find(kHead) != nullptr);
  CHECK(notes_say(report, "set tie_word_embeddings to false in its config.json"));
  CHECK(merge.scratch().path() / "config.json" != out);
  CHECK_FALSE(std::filesystem::exists(merge.scratch().path() / "config.json"));
}

}  // namespace
