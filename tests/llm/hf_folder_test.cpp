// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/safetensors.hpp>

#include "examples/llm/llama_files.hpp"
#include "support/model_files.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::llm::open_model;
using namespace model_files;
namespace tiny = tiny_llama;

std::string hf_json(const tiny::LlamaConfig& config, const char* model) {
  return nlohmann::json{{"architectures", {model}},
                        {"hidden_size", config.hidden_size},
                        {"intermediate_size", config.intermediate_size},
                        {"num_hidden_layers", config.layers},
                        {"num_attention_heads", config.heads},
                        {"num_key_value_heads", config.kv_heads},
                        {"head_dim", config.head_dim},
                        {"vocab_size", config.vocab_size},
                        {"tie_word_embeddings", config.tied_embeddings}}
      .dump();
}

TEST_CASE("a Hugging Face folder is read from one file and from shards", "[llm][files]") {
  const tiny::LlamaConfig config = file_config("qwen2");
  const tiny::RandomTensors expected(config);
  for (const auto dtype : {lorapro::io::Dtype::f32, lorapro::io::Dtype::bf16})
    for (const bool sharded : {false, true}) {
      const ScratchFolder folder;
      folder.write("config.json", hf_json(config, "Qwen2ForCausalLM"));
      lorapro::io::SafetensorsWriter files[2];
      nlohmann::json map = nlohmann::json::object();
      std::size_t number = 0;
      for (const auto& [name, shape] : expected.shapes()) {
        const std::size_t shard = sharded ? number++ % 2 : 0;
        map[name] = shard == 0 ? "a.safetensors" : "b.safetensors";
        files[shard].add(name, dtype, unsigned_shape(shape),
                         [&, name = name](lorapro::io::TensorSink& sink) {
                           const auto values = numbers(expected, name);
                           sink.write(values.data(), values.size());
                         });
      }
      if (sharded) {
        files[0].write(folder.path() / "a.safetensors");
        files[1].write(folder.path() / "b.safetensors");
        folder.write("model.safetensors.index.json",
                     nlohmann::json{{"metadata", {{"total_size", 0}}}, {"weight_map", map}}.dump());
      } else {
        files[0].write(folder.path() / "model.safetensors");
      }
      const auto model = open_model(folder.path().string());
      const bool is_f32 = dtype == lorapro::io::Dtype::f32;
      check_same(*model, expected, is_f32 ? 0 : 0.004F);
      CHECK((model->mapped("model.embed_tokens.weight") == nullptr) == is_f32);
      // Mapped or copied, the numbers are the same.
      tiny::LlamaOptions options = tiny::options();
      options.base = examples::llm::BaseFormat::bf16;
      const auto examples = tiny::batch(config, {6});
      const auto rounded = tiny::Llama<float>(model, options).logits(examples);
      const auto direct =
          tiny::Llama<float>(std::make_shared<tiny::RandomTensors>(expected), options)
              .logits(examples);
      CHECK((rounded - direct).cwiseAbs().maxCoeff() < (is_f32 ? 1e-6 : 0.05));
    }
}

}  // namespace
