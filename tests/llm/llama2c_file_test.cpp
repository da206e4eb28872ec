// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_files.hpp"
#include "support/message_of.hpp"
#include "support/model_files.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::llm::open_model;
using namespace model_files;
namespace tiny = tiny_llama;

/// The bytes of a checkpoint of llama2.c.
std::string llama2c_bytes(const tiny::ModelTensors& tensors) {
  const tiny::LlamaConfig& c = tensors.config();
  std::string out;
  for (const Index size : {c.hidden_size, c.intermediate_size, c.layers, c.heads, c.kv_heads,
                           c.tied_embeddings ? c.vocab_size : -c.vocab_size, Index{16}}) {
    const auto number = static_cast<std::int32_t>(size);
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  const auto add = [&](const std::vector<float>& values) {
    out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  const auto layers = [&](const std::string& name) {
    for (Index layer = 0; layer < c.layers; ++layer) {
      auto values =
          numbers(tensors, "model.layers." + std::to_string(layer) + "." + name + ".weight");
      if (name == "self_attn.q_proj" || name == "self_attn.k_proj")
        values = neighbours(values, c.hidden_size, c.head_dim);
      add(values);
    }
  };
  add(numbers(tensors, "model.embed_tokens.weight"));
  for (const char* const name : {"input_layernorm", "self_attn.q_proj", "self_attn.k_proj",
                                 "self_attn.v_proj", "self_attn.o_proj", "post_attention_layernorm",
                                 "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"})
    layers(name);
  add(numbers(tensors, "model.norm.weight"));
  add(std::vector<float>(static_cast<std::size_t>(16 * c.head_dim)));
  if (!c.tied_embeddings) add(numbers(tensors, "lm_head.weight"));
  return out;
}

TEST_CASE("checkpoints of llama2.c are read, with a head of their own and without",
          "[llm][files]") {
  const ScratchFolder folder;
  for (const bool tied : {false, true}) {
    tiny::LlamaConfig config = file_config("llama");
    config.tied_embeddings = tied;
    const tiny::RandomTensors expected(config);
    const auto model = open_model(folder.write("model.bin", llama2c_bytes(expected)).string());
    check_same(*model, expected, 0);
    CHECK(model->config().rms_norm_eps == 1e-5);
    CHECK(model->config().max_positions == 16);
  }
}

TEST_CASE("files that are no checkpoint of llama2.c are refused", "[llm][files]") {
  const ScratchFolder folder;
  const std::string good = llama2c_bytes(tiny::RandomTensors(file_config("llama")));
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    const std::string path = folder.write("model.bin", bytes).string();
    CHECK_THAT(message_of<lorapro::FormatError>([&] { open_model(path); }),
               contains_text("model.bin: ") && contains_text(message));
  };
  refused(good.substr(0, 20), "expected the 28 bytes of a header, got a file of 20");
  refused(good.substr(0, 4000), "got the end of the file");
  refused(good + "x", "for the sizes in its header, got");
  std::string wrong = good;
  wrong[12] = 3;  // heads
  refused(wrong, "dim: expected a multiple of twice the 3 heads, got 32");
  wrong = good;
  wrong.replace(0, 8, std::string("24ka\1\0\0\0", 8));
  refused(wrong, "without a version, got version 1");
}

}  // namespace
