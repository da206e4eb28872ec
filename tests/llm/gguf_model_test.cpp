// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_writer.hpp>

#include "examples/llm/llama_files.hpp"
#include "support/message_of.hpp"
#include "support/model_files.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::llm::open_model;
using lorapro::io::GgufType;
using namespace model_files;
namespace tiny = tiny_llama;

/// llama.cpp's name of a tensor.
std::string gguf_name(std::string name) {
  const std::pair<const char*, const char*> parts[] = {{"model.embed_tokens", "token_embd"},
                                                       {"model.norm", "output_norm"},
                                                       {"lm_head", "output"},
                                                       {"model.layers.", "blk."},
                                                       {"self_attn.q_proj", "attn_q"},
                                                       {"self_attn.k_proj", "attn_k"},
                                                       {"self_attn.v_proj", "attn_v"},
                                                       {"self_attn.o_proj", "attn_output"},
                                                       {"self_attn.q_norm", "attn_q_norm"},
                                                       {"self_attn.k_norm", "attn_k_norm"},
                                                       {"mlp.gate_proj", "ffn_gate"},
                                                       {"mlp.up_proj", "ffn_up"},
                                                       {"mlp.down_proj", "ffn_down"},
                                                       {"input_layernorm", "attn_norm"},
                                                       {"post_attention_layernorm", "ffn_norm"}};
  for (const auto& [from, to] : parts)
    if (const auto at = name.find(from); at != std::string::npos)
      name.replace(at, std::string(from).size(), to);
  return name;
}

void fill_gguf(const std::vector<float>& values, GgufType type, std::uint8_t* bytes) {
  const auto count = values.size();
  if (type != GgufType::q8_0) {
    lorapro::visit_storage_type(*lorapro::io::storage_type_of(type), [&](auto zero) {
      lorapro::io::detail::convert_bytes<float, decltype(zero)>(
          reinterpret_cast<const unsigned char*>(values.data()), bytes, count);
    });
    return;
  }
  for (std::size_t block = 0; block < count; block += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[block + i]));
    const auto scale = static_cast<lorapro::half>(largest / 127);
    std::memcpy(bytes, &scale, 2);
    for (std::size_t i = 0; i < 32; ++i)
      bytes[2 + i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(
          std::clamp(std::round(values[block + i] / static_cast<float>(scale)), -127.0F, 127.0F)));
    bytes += 34;
  }
}

std::string write_gguf(const ScratchFolder& folder, const tiny::ModelTensors& tensors,
                       GgufType type, const std::string& left_over = "") {
  const tiny::LlamaConfig& config = tensors.config();
  const std::string own = config.architecture + ".";
  lorapro::io::GgufWriter writer;
  const auto number = [](Index value) { return static_cast<std::uint32_t>(value); };
  writer.add("general.architecture", config.architecture);
  writer.add(own + "embedding_length", number(config.hidden_size));
  writer.add(own + "feed_forward_length", number(config.intermediate_size));
  writer.add(own + "block_count", number(config.layers));
  writer.add(own + "attention.head_count", number(config.heads));
  writer.add(own + "attention.head_count_kv", number(config.kv_heads));
  writer.add(own + "attention.key_length", number(config.head_dim));
  writer.add(own + "attention.layer_norm_rms_epsilon", 1e-5F);
  writer.add(own + "context_length", number(config.max_positions));
  writer.add(own + "rope.freq_base", 5000.0F);
  writer.add("tokenizer.ggml.eos_token_id", std::uint32_t{2});
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> ne,
                       const std::vector<float>& values) {
    const GgufType kept = ne.size() == 2 ? type : GgufType::f32;
    std::reverse(ne.begin(), ne.end());
    writer.add_tensor(name, ne, kept, [=](std::uint8_t* bytes) { fill_gguf(values, kept, bytes); });
  };
  for (const auto& [name, shape] : tensors.shapes()) {
    auto values = numbers(tensors, name);
    const bool is_qk =
        name.find("q_proj") != std::string::npos || name.find("k_proj") != std::string::npos;
    if (is_qk && config.architecture == "llama")
      values = neighbours(values, shape.size() == 1 ? 1 : shape[1], config.head_dim);
    add(gguf_name(name), unsigned_shape(shape), values);
  }
  if (!left_over.empty()) add(left_over, {4}, {1, 2, 3, 4});
  std::string bytes;
  writer.write([&](const std::uint8_t* data, std::size_t size) {
    bytes.append(reinterpret_cast<const char*>(data), size);
  });
  return folder.write("model.gguf", bytes).string();
}

TEST_CASE("GGUF models are read in each type, rows in the order of Hugging Face", "[llm][files]") {
  for (const char* const architecture : {"llama", "qwen2", "qwen3"})
    for (const auto& [type, tolerance] : {std::pair{GgufType::f32, 0.0F},
                                          {GgufType::f16, 0.0005F},
                                          {GgufType::bf16, 0.004F},
                                          {GgufType::q8_0, 0.005F}}) {
      INFO(architecture << " " << static_cast<int>(type));
      const ScratchFolder folder;
      const tiny::RandomTensors expected(file_config(architecture));
      const auto model = open_model(write_gguf(folder, expected, type));
      check_same(*model, expected, tolerance);
      CHECK(model->config().rope.theta == 5000);
      CHECK(model->config().ends_text(2));
      CHECK(model->config().qk_norm == (std::string(architecture) == "qwen3"));
    }
}

TEST_CASE("the frequencies of rope can come as factors in a GGUF file", "[llm][files]") {
  const ScratchFolder folder;
  const tiny::RandomTensors expected(file_config("llama"));
  const auto model = open_model(write_gguf(folder, expected, GgufType::f32, "rope_freqs.weight"));
  const auto frequencies = model->config().rope.frequencies(8);
  for (int i = 0; i < 4; ++i)
    CHECK(frequencies[static_cast<std::size_t>(i)] == Approx(std::pow(5000.0, -i / 4.0) / (i + 1)));
}

TEST_CASE("GGUF models that are not supported are refused by name", "[llm][files]") {
  const ScratchFolder folder;
  const tiny::RandomTensors tensors(file_config("llama"));
  const auto path = write_gguf(folder, tensors, GgufType::f32, "blk.0.attn_sinks.weight");
  CHECK_THAT(
      message_of<lorapro::FormatError>([&] { examples::llm::check_tensors(*open_model(path)); }),
      contains_text("blk.0.attn_sinks.weight\": expected none of this name"));
  tiny::LlamaConfig other = file_config("llama");
  other.architecture = "gemma2";
  CHECK_THAT(message_of<lorapro::FormatError>([&] {
               open_model(write_gguf(folder, tiny::RandomTensors(other), GgufType::f32));
             }),
             contains_text("expected llama, qwen2 or qwen3, got \"gemma2\""));
}

}  // namespace
