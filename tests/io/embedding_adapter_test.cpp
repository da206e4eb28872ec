// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Adapters of embeddings in PEFT directories, in layers and in merged checkpoints.
#include <lorapro/io/adapter_load.hpp>
#include <lorapro/io/gguf_adapter.hpp>
#include <lorapro/io/merge.hpp>

#include "support/peft_folder.hpp"
#include "support/random.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::BaseWeight;
using lorapro::Index;
using lorapro::LoraEmbedding;
using lorapro::io::PeftAdapter;
using peft_folder::config_with;
using peft_folder::entry;
using peft_folder::floats;
using EmbeddingFloats = lorapro::RowMatrix<float>;

const std::string kTable = "model.embed_tokens";

lorapro::LoraConfig embedding_file_config() {
  lorapro::LoraConfig config;
  config.rank = 3;
  config.lora_alpha = 4.5;
  return config;
}

/// A table (11, 6) as training leaves it.
template <typename Scalar>
LoraEmbedding<Scalar> trained_embedding(support::Random& random) {
  LoraEmbedding<Scalar> layer(
      BaseWeight<Scalar>::own(
          reference::rounded<float>(random.matrix(11, 6)).template cast<Scalar>()),
      embedding_file_config());
  layer.lora_A() = reference::rounded<Scalar>(random.matrix(3, 11));
  return layer;
}

TEMPLATE_TEST_CASE("an embedding goes through a directory", "[embedding_adapter]", float, double) {
  LORAPRO_TEST_RANDOM(random, 3601);
  const auto layer = trained_embedding<TestType>(random);
  const ScratchFolder folder;
  lorapro::io::PeftConfig config;
  config.target_pattern = "all-linear";  // takes no embedding
  lorapro::io::write_peft_adapter(folder.path(), config,
                                  {lorapro::io::adapter_module(kTable, layer)});
  const PeftAdapter adapter(folder.path());
  CHECK(adapter.config().target_modules == std::vector<std::string>{kTable});
  const auto* const A = adapter.file().find("base_model.model." + kTable + ".lora_embedding_A");
  const auto* const B = adapter.file().find("base_model.model." + kTable + ".lora_embedding_B");
  REQUIRE((A != nullptr && B != nullptr));
  CHECK(A->shape == lorapro::io::TensorShape{3, 11});
  CHECK(B->shape == lorapro::io::TensorShape{6, 3});
  CHECK(adapter.modules()[0].is_embedding);
  LoraEmbedding<TestType> other(layer.base_weight(), embedding_file_config());
  const auto report =
      lorapro::io::load_adapter<LoraEmbedding<TestType>>(adapter.modules(), {{kTable, &other}});
  CHECK(report.complete());
  CHECK(EmbeddingFloats(other.lora_A().template cast<float>()) ==
        EmbeddingFloats(layer.lora_A().template cast<float>()));
  CHECK(EmbeddingFloats(other.lora_B().template cast<float>()) ==
        EmbeddingFloats(layer.lora_B().template cast<float>()));
}

TEST_CASE("an embedding merged into a checkpoint is the layer's merge", "[embedding_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3602);
  auto layer = trained_embedding<float>(random);
  const ScratchFolder folder;
  const auto base = folder.path() / "base.safetensors", merged = folder.path() / "m.safetensors",
             back = folder.path() / "back.safetensors";
  lorapro::io::SafetensorsWriter writer;
  const EmbeddingFloats before = layer.base_weight().matrix();
  writer.add(kTable + ".weight", {11, 6}, before.data());
  writer.write(base);
  lorapro::io::write_peft_adapter(folder.path() / "adapter", {},
                                  {lorapro::io::adapter_module(kTable, layer)});
  const PeftAdapter adapter(folder.path() / "adapter");
  const auto read = [](const std::filesystem::path& path) {
    const lorapro::io::SafetensorsReader file(path);
    EmbeddingFloats out(11, 6);
    file.read(file.at(kTable + ".weight", {11, 6}), out.data());
    return out;
  };
  CHECK(lorapro::io::merge_adapter(base, adapter, merged).merged == 1);
  CHECK(lorapro::io::unmerge_adapter(merged, adapter, back).merged == 1);
  layer.merge();
  CHECK((read(merged) - layer.base_weight().matrix()).norm() <= 1e-6F * before.norm());
  CHECK((read(back) - before).norm() <= 1e-6F * before.norm());
}

TEST_CASE("a directory of PEFT's with an embedding is read and written again",
          "[embedding_adapter]") {
  const std::string config = config_with("\"q_proj\",\n    \"v_proj\"", "\"embed_tokens\"");
  const std::string path = "base_model.model." + kTable;
  const ScratchFolder folder, again;
  const std::string bytes =
      peft_folder::file(peft_folder::kMetadata + "," + entry(path + ".lora_embedding_A", 2, 3, 0) +
                            "," + entry(path + ".lora_embedding_B", 1, 2, 24),
                        floats({1, 2, 3, 4, 5, 6, 7, 8}));
  const PeftAdapter adapter(peft_folder::write(folder, config, bytes));
  const auto& module = adapter.modules().at(0);
  CHECK(module.is_embedding);
  CHECK((module.in_features == 3 && module.out_features == 1 && module.rank == 2));
  CHECK(module.lora_A()(1, 2) == 6);
  lorapro::io::write_peft_adapter(again.path(), adapter.config(), adapter.modules());
  CHECK(bytes_of_file(again.path() / "adapter_config.json") == config);
  CHECK(bytes_of_file(again.path() / "adapter_model.safetensors") == bytes);

  const auto refused = [&](const std::string& tensors, const std::string& text,
                           const std::string& message) {
    peft_folder::write(folder, text, peft_folder::file(tensors, floats({1, 2, 3, 4, 5, 6, 7, 8})));
    CHECK_THROWS_WITH(PeftAdapter(folder.path()), contains_text(message));
  };
  refused(entry(path + ".lora_embedding_A", 2, 4, 0), config,
          "lora_embedding_A\": expected a lora_embedding_B beside it, got none");
  refused(
      entry(path + ".lora_embedding_A", 2, 3, 0) + "," + entry(path + ".lora_B.weight", 1, 2, 24),
      config, "lora_embedding_A\": expected a lora_embedding_B beside it, got none");
  refused(entry(path + ".lora_embedding_B", 4, 2, 0), config,
          "lora_embedding_B\": expected a lora_embedding_A beside it, got none");
  refused(
      entry(path + ".lora_embedding_A", 2, 2, 0) + "," + entry(path + ".lora_A.weight", 2, 2, 16),
      config, "expected factors of one kind");
  const std::string dora = [&] {
    std::string text = config;
    return text.replace(text.find("use_dora\": false"), 16, "use_dora\": true");
  }();
  refused(entry(path + ".lora_embedding_A", 2, 3, 0) + "," +
              entry(path + ".lora_embedding_B", 1, 2, 24),
          dora, "expected no embedding where use_dora is true, as it is not supported");
}

TEST_CASE("pairs of embeddings and of linear layers do not mix", "[embedding_adapter]") {
  LORAPRO_TEST_RANDOM(random, 3603);
  auto table = trained_embedding<float>(random);
  // A linear layer of the same sizes.
  const EmbeddingFloats W = EmbeddingFloats::Zero(6, 11);
  lorapro::LoraLayer<float> linear(BaseWeight<float>::map(W), embedding_file_config());
  CHECK_THROWS_WITH((void)lorapro::io::load_adapter<lorapro::LoraLayer<float>>(
                        {lorapro::io::adapter_module("m", table)}, {{"m", &linear}}),
                    "m: expected the pair of a linear layer, got an embedding's");
  CHECK_THROWS_WITH((void)lorapro::io::load_adapter<LoraEmbedding<float>>(
                        {lorapro::io::adapter_module("m", linear)}, {{"m", &table}}),
                    "m: expected the pair of an embedding, got a linear layer's");
  const ScratchFolder folder;
  CHECK_THROWS_WITH(
      lorapro::io::write_gguf_adapter(folder.path() / "a.gguf",
                                      {lorapro::io::adapter_module(kTable, table)}, {}),
      "model.embed_tokens: expected the pair of a linear layer for llama.cpp, got that of an "
      "embedding");
}

}  // namespace
