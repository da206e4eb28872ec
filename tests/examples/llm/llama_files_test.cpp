// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama_files.hpp"

#include <lorapro/io/gguf_writer.hpp>
#include <lorapro/io/safetensors.hpp>

#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/tiny_llama.hpp"

namespace {

using examples::llm::open_model;
using lorapro::io::GgufType;
namespace tiny = tiny_llama;
using lorapro::Index;

/// Like the model of tiny_llama, with sizes that have whole blocks of Q8_0.
tiny::LlamaConfig file_config(const std::string& architecture) {
  tiny::LlamaConfig config = tiny::config();
  config.architecture = architecture;
  config.hidden_size = 32;
  config.intermediate_size = 64;
  config.head_dim = 8;
  config.qkv_bias = architecture == "qwen2";
  config.qk_norm = architecture == "qwen3";
  config.tied_embeddings = architecture == "qwen2";
  config.max_positions = 128;
  return config;
}

std::vector<float> numbers(const tiny::ModelTensors& tensors, const std::string& name) {
  const auto& shape = tensors.shapes().at(name);
  Index count = 1;
  for (const Index size : shape) count *= size;
  std::vector<float> out(static_cast<std::size_t>(count));
  tensors.read(name, 0, shape.size() == 1 ? 1 : shape[0], out.data());
  return out;
}

/// \param tolerance  relative to the largest number of a tensor.
void check_same(const tiny::ModelTensors& found, const tiny::ModelTensors& expected,
                float tolerance) {
  examples::llm::check_tensors(found);
  REQUIRE(found.shapes() == expected.shapes());
  for (const auto& entry : expected.shapes()) {
    INFO(entry.first);
    const auto ours = numbers(found, entry.first), theirs = numbers(expected, entry.first);
    float largest = 0, worst = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      largest = std::max(largest, std::abs(theirs[i]));
      worst = std::max(worst, std::abs(ours[i] - theirs[i]));
    }
    CHECK(worst <= tolerance * largest);
  }
}

std::vector<std::uint64_t> unsigned_shape(const std::vector<Index>& shape) {
  return {shape.begin(), shape.end()};
}

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

/// Rows of q and k as llama.cpp's llama turns them: neighbours, not halves of a head.
std::vector<float> neighbours(const std::vector<float>& halves, Index cols, Index dim) {
  std::vector<float> out(halves.size());
  const Index rows = static_cast<Index>(halves.size()) / cols;
  for (Index row = 0; row < rows; ++row) {
    const Index head = row / dim * dim, i = row % dim % (dim / 2), j = row % dim / (dim / 2);
    std::copy_n(halves.begin() + row * cols, cols, out.begin() + (head + 2 * i + j) * cols);
  }
  return out;
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
  CHECK_THAT(message_of<lorapro::FormatError>(
                 [&] { open_model(folder.write("model.pt", "PK...").string()); }),
             contains_text("expected a folder with config.json and safetensors files, a GGUF"));
}

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
