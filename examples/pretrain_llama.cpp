// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Trains a small model of Llama's kind on English text, the base that `llm_finetune --smoke`
// fine-tunes, and writes it as a folder of Hugging Face's form. With --resume an interrupted
// training goes on where its last checkpoint was. examples/models/README.md has the commands that
// made the model shipped there.
//
//   examples/data/text.sh && examples/data/tokenizer.sh && pretrain_llama

#include <lorapro/core/random.hpp>
#include <lorapro/io/atomic_file.hpp>
#include <lorapro/io/safetensors.hpp>
#include <CLI/CLI.hpp>
#include <cmath>  // std::log
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string>

#include "llm/encode_data.hpp"
#include "llm/trainable_llama.hpp"
#include "llm/training_order.hpp"
#include "nn/model_file.hpp"
#include "nn/training.hpp"
#include "support/english_text.hpp"
#include "support/models_folder.hpp"
#include "support/pretraining.hpp"
#include "support/program.hpp"
#include "support/run_options.hpp"

namespace {

namespace llm = examples::llm;
using lorapro::Index;
using Model = llm::TrainableLlama<float>;

struct Options : examples::PretrainingOptions {
  std::int64_t epochs = 2;
  std::int64_t steps = 0;  // to take of those; 0: all
  Index tokens_per_step = 1024;
  Index max_length = 256;
  std::filesystem::path tokenizer;
  llm::LlamaConfig model;
};

llm::LlamaConfig shipped_config() {
  llm::LlamaConfig config;
  config.hidden_size = 96;
  config.intermediate_size = 256;
  config.layers = 4;
  config.heads = 6;
  config.kv_heads = 2;
  config.head_dim = 16;
  config.max_positions = 512;
  config.rms_norm_eps = 1e-5;
  config.tied_embeddings = true;
  return config;
}

/// Appends the passages of a text, from one end of a sentence to another, of 20 characters to about
/// 700: a model of whole texts has to see where some begin and end.
void add_passages(const std::string& text, std::uint64_t key, llm::DataFile& file) {
  std::size_t start = 0, least = 0;
  const auto draw = [&] {
    least = 20 + lorapro::random_bits(key, file.examples.size()) % 600;  // bias below 2^-50
  };
  draw();
  for (std::size_t end = 1; end <= text.size(); ++end) {
    const bool ends_sentence = end < text.size() && text[end] == ' ' &&
                               std::string(".!?").find(text[end - 1]) != std::string::npos;
    if (end < text.size() && (!ends_sentence || end - start < least)) continue;
    std::string passage = text.substr(start, end - start);
    const auto first = passage.find_first_not_of(" \t\r\n");
    if (first != std::string::npos) {
      passage.erase(0, first);
      file.examples.push_back(
          {static_cast<Index>(file.examples.size()) + 1, llm::WholeText{std::move(passage)}});
    }
    start = end;
    draw();
  }
}

struct Corpus {
  llm::EncodedData training, held_out;
  std::size_t held_out_characters = 0;
};

/// A text for --smoke that needs no data.
examples::EnglishText counting_rhyme() {
  std::string text;
  for (const char* number : {"One", "Two", "Three", "Four", "Five", "Six", "Seven"})
    text += std::string(number) + " little birds sat on a wall, and away they flew. ";
  return {{text, text, text, text}, {text}};
}

Corpus read_corpus(const Options& options, const llm::Tokenizer& tokenizer) {
  const auto text = options.smoke ? counting_rhyme() : examples::read_english_text(options.cache);
  llm::EncodeOptions encode;
  encode.max_length = options.max_length;
  encode.vocabulary = tokenizer.size();
  llm::DataFile training{"training", {}}, held_out{"held-out text", {}};
  for (const std::string& one : text.training) add_passages(one, options.seed, training);
  for (const std::string& one : text.held_out) add_passages(one, options.seed, held_out);
  Corpus corpus{encode_data(training, tokenizer, encode), encode_data(held_out, tokenizer, encode)};
  // What --max-length has cut off is not asked for.
  for (const llm::TokenizedExample& example : corpus.held_out.examples)
    corpus.held_out_characters += tokenizer.decode(example.ids).size();
  return corpus;
}

/// In bits per character, the end of each passage included.
double held_out_bits(Model& model, const Corpus& corpus, const llm::PackingOptions& packing) {
  double nats = 0;
  const auto& examples = corpus.held_out.examples;
  for (const llm::Pack& pack : llm::evaluation_packs(llm::rows_of(examples), packing)) {
    const llm::TokenBatch batch = llm::make_batch(examples, pack);
    for (const double part : examples::nn::log_probabilities(model.forward(batch), batch.labels))
      nats -= part;
  }
  return nats / std::log(2.0) / static_cast<double>(corpus.held_out_characters);
}

/// What a checkpoint must have been made for to be taken up.
std::string recipe_of(const Options& options, const Corpus& corpus) {
  return fmt::format(
      "Llama, width {} and {}, {} layers, {} heads over {}, vocabulary {}; {} tokens in passages "
      "of up to {}; {} epochs, {} tokens to a step, AdamW, learning rate {:g}, weight decay {:g}, "
      "seed {}",
      options.model.hidden_size, options.model.intermediate_size, options.model.layers,
      options.model.heads, options.model.kv_heads, options.model.vocab_size, corpus.training.tokens,
      options.max_length, options.epochs, options.tokens_per_step, options.learning_rate,
      options.weight_decay, options.seed);
}

void write_model(Model& model, const Options& options, const std::string& recipe) {
  const llm::LlamaConfig& config = model.config();
  const nlohmann::ordered_json json{{"architectures", {"LlamaForCausalLM"}},
                                    {"model_type", "llama"},
                                    {"hidden_size", config.hidden_size},
                                    {"intermediate_size", config.intermediate_size},
                                    {"num_hidden_layers", config.layers},
                                    {"num_attention_heads", config.heads},
                                    {"num_key_value_heads", config.kv_heads},
                                    {"head_dim", config.head_dim},
                                    {"hidden_act", "silu"},
                                    {"rms_norm_eps", config.rms_norm_eps},
                                    {"rope_theta", config.rope.theta},
                                    {"max_position_embeddings", config.max_positions},
                                    {"vocab_size", config.vocab_size},
                                    {"bos_token_id", config.bos.value()},
                                    {"eos_token_id", config.eos.front()},
                                    {"tie_word_embeddings", true},
                                    {"torch_dtype", "bfloat16"}};
  const nlohmann::ordered_json tokenizer{{"tokenizer_class", "LlamaTokenizer"},
                                         {"bos_token", "<s>"},
                                         {"eos_token", "</s>"},
                                         {"unk_token", "<unk>"},
                                         {"add_bos_token", true},
                                         {"add_eos_token", false},
                                         {"legacy", true}};
  namespace fs = std::filesystem;
  fs::create_directories(options.output);
  fs::copy_file(options.tokenizer, options.output / "tokenizer.model",
                fs::copy_options::overwrite_existing);
  lorapro::io::write_file(options.output / "tokenizer_config.json", tokenizer.dump(2) + "\n");
  lorapro::io::write_file(options.output / "config.json", json.dump(2) + "\n");
  lorapro::io::SafetensorsWriter file;
  examples::nn::for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    const auto& value = parameter.value;
    auto shape = examples::nn::shape_of(value);
    if (value.rows() == 1) shape.erase(shape.begin());
    file.add(name, lorapro::io::Dtype::bf16, shape, [&value](lorapro::io::TensorSink& sink) {
      sink.write(value.data(), static_cast<std::size_t>(value.size()));
    });
  });
  file.set_metadata("format", "pt");  // Hugging Face's loader wants it
  file.set_metadata("recipe", recipe);
  file.write(options.output / "model.safetensors");
}

void pretrain(Options options) {
  examples::nn::set_threads(options.threads);
  if (!std::filesystem::exists(options.tokenizer))
    throw examples::DataMissing(options.tokenizer.string() + ": there is no such file");
  const auto tokenizer = llm::load_tokenizer(options.tokenizer.string());
  options.model.vocab_size = tokenizer->size();
  options.model.bos = tokenizer->bos();
  options.model.eos = {tokenizer->eos().value()};
  const Corpus corpus = read_corpus(options, *tokenizer);
  const llm::PackingOptions packing{options.tokens_per_step, options.tokens_per_step, true,
                                    options.seed};
  llm::TrainingOrder order(llm::rows_of(corpus.training.examples), packing);
  const std::int64_t steps = order.steps_of(options.epochs);
  const std::string recipe = recipe_of(options, corpus);
  const std::int64_t evaluation = std::max<std::int64_t>(steps / 10, 50);
  examples::Pretraining training(options, recipe, steps, evaluation);
  Model model(options.model);
  examples::RandomEngine engine(options.seed);
  model.randomize(engine);
  fmt::print("{}; {} steps, {} parameters\n", recipe, steps,
             examples::nn::attach_to(training.optimizer(), model));
  std::fflush(stdout);
  const std::int64_t end = options.steps > 0 ? std::min(options.steps, steps) : steps;
  training.run(
      end,
      [&](std::int64_t step) {
        llm::Pack pack;  // all examples of the step: packs are for lack of memory
        for (const llm::Pack& part : order.at(step))
          pack.insert(pack.end(), part.begin(), part.end());
        return model.loss_and_gradients(llm::make_batch(corpus.training.examples, pack));
      },
      [&] {
        return fmt::format("{:.3f} bits per held-out character",
                           held_out_bits(model, corpus, packing));
      });
  fmt::print("{:.4f} bits per character of the held-out text\n",
             held_out_bits(model, corpus, packing));
  write_model(model, options,
              end < steps ? fmt::format("{}; stopped after step {}", recipe, end) : recipe);
  training.finish();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.learning_rate = 4e-3;
  options.output = "llama_english";
  options.cache = examples::default_cache("cache");
  options.model = shipped_config();
  CLI::App app("Trains a small model of Llama's kind on English text.", "pretrain_llama");
  app.add_option("--epochs", options.epochs, "Passes over the text")
      ->check(examples::in_range(1, 1e6))
      ->capture_default_str();
  app.add_option("--steps", options.steps,
                 "Stop after so many, at the learning rate that they have among all; 0 for all")
      ->check(examples::in_range(0, 1e9))
      ->capture_default_str();
  app.add_option("--tokens-per-step", options.tokens_per_step, "Tokens of one step, at most")
      ->check(examples::in_range(256, 1e6))
      ->capture_default_str();
  examples::add_pretraining_options(app, "the initialisation, passages and their order",
                                    "DIR.checkpoint", options);
  app.add_option("--output", options.output, "Folder of the model")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--tokenizer", options.tokenizer,
                 "A tokenizer.model [default: what tokenizer.sh has made in the cache]")
      ->type_name("FILE");
  app.add_flag("--smoke", options.smoke,
               "A tiny model on a built-in rhyme with the shipped tokenizer, in a few seconds");
  if (const auto exit_code = examples::parse_command_line(app, argc, argv)) return *exit_code;
  if (options.smoke) {
    options.model.hidden_size = options.model.intermediate_size = 32;
    options.model.layers = options.model.heads = 2;
    options.model.kv_heads = 1;
    options.tokens_per_step = 256;
    options.tokenizer = examples::models_folder() / "llama_english" / "tokenizer.model";
    if (app.count("--epochs") == 0) options.epochs = 30;
  } else if (options.tokenizer.empty()) {
    options.tokenizer = options.cache / "text" / "tokenizer.model";
  }
  return examples::run_program("pretrain_llama",
                               "make it: examples/data/text.sh && examples/data/tokenizer.sh",
                               [&] { pretrain(options); });
}
