// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Trains a small byte-level GPT on English text, the base that `dialogue` and `code_generation`
// fine-tune, and writes it as safetensors. With --resume an interrupted training goes on where its
// last checkpoint was. examples/models/README.md has the command that made the model shipped there.
//
//   examples/data/text.sh && pretrain_gpt

#include <lorapro/lorapro.hpp>
#include <CLI/CLI.hpp>
#include <algorithm>  // std::max
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <string>

#include "nn/gpt.hpp"
#include "nn/gpt_text.hpp"
#include "nn/model_file.hpp"
#include "nn/training.hpp"
#include "support/english_text.hpp"
#include "support/pretraining.hpp"
#include "support/program.hpp"
#include "support/run_options.hpp"
#include "support/text_files.hpp"
#include "support/text_windows.hpp"

namespace {

using examples::nn::Gpt;
using examples::nn::GptConfig;
using lorapro::Index;

struct Options : examples::PretrainingOptions {
  std::int64_t steps = 4000;
  Index batch_size = 16;
  GptConfig model;
};

struct Corpus {
  std::string training;
  std::string held_out;
};

Corpus read_corpus(const std::filesystem::path& cache) {
  const examples::EnglishText text = examples::read_english_text(cache);
  Corpus corpus;
  for (const std::string& one : text.training) corpus.training += one + "\n\n";
  for (const std::string& one : text.held_out) corpus.held_out += one + "\n\n";
  return corpus;
}

/// A text for --smoke that needs no data.
Corpus counting_rhyme() {
  static const char* const kNumbers[] = {"one", "two",   "three", "four", "five",
                                         "six", "seven", "eight", "nine", "ten"};
  std::string text;
  for (int verse = 0; verse < 60; ++verse) {
    for (int i = verse % 5; i < 10; ++i) text += std::string(kNumbers[i]) + " little birds, ";
    text += "and away they flew.\n";
  }
  return {text, text.substr(text.size() / 2)};
}

/// What a checkpoint must have been made for to be taken up.
std::string recipe_of(const Options& options, const Corpus& corpus) {
  return fmt::format(
      "byte-level GPT, width {}, {} layers, {} heads, context {}; {} characters; {} steps of {} x "
      "{}, AdamW, learning rate {:g}, weight decay {:g}, seed {}",
      options.model.width, options.model.layers, options.model.heads, options.model.context,
      corpus.training.size(), options.steps, options.batch_size, options.model.context,
      options.learning_rate, options.weight_decay, options.seed);
}

void pretrain(const Options& options) {
  examples::nn::set_threads(options.threads);
  const Corpus corpus = options.smoke ? counting_rhyme() : read_corpus(options.cache);
  const std::string recipe = recipe_of(options, corpus);
  const std::int64_t evaluation = std::max<std::int64_t>(options.steps / 10, 100);
  examples::Pretraining training(options, recipe, options.steps, evaluation);
  Gpt<float> gpt(options.model);
  examples::RandomEngine engine(options.seed);
  gpt.randomize(engine);
  fmt::print("{}; {} parameters\n", recipe, attach_to(training.optimizer(), gpt));
  std::fflush(stdout);
  training.run(
      options.steps,
      [&](std::int64_t step) {
        const auto batch = examples::random_windows(corpus.training, options.batch_size,
                                                    options.model.context, options.seed, step);
        return gpt.loss_and_gradients(batch.tokens, batch.sequences, batch.labels);
      },
      [&] {
        return fmt::format("{:.3f} bits per character on 20,000 held-out ones",
                           examples::score_text(gpt, corpus.held_out, 20000).bits_per_character);
      });

  const auto score = examples::score_text(gpt, corpus.held_out, 200000);
  fmt::print("held-out text: {:.3f} bits per character, next byte right {:.1f} %\n",
             score.bits_per_character, 100 * score.next_byte_match);
  for (const double temperature : {0.5, 0.8}) {
    examples::RandomEngine sampler(options.seed);
    const std::string prompt = options.smoke ? "one little" : "The people of this ";
    fmt::print("temperature {}: {}{}\n", temperature, prompt,
               examples::printable(
                   sample(gpt, prompt, {options.smoke ? 40 : 300, temperature, ""}, sampler)));
  }
  lorapro::io::SafetensorsWriter file;
  save_parameters(gpt, file);
  file.set_metadata("recipe", recipe);
  file.set_metadata("held_out_bits_per_character", fmt::format("{:.4f}", score.bits_per_character));
  file.write(options.output);
  training.finish();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.output = "gpt_english.safetensors";
  options.cache = examples::default_cache("cache");
  CLI::App app("Trains a small byte-level GPT on English text.", "pretrain_gpt");
  app.add_option("--steps", options.steps, "Steps of the training")
      ->check(examples::in_range(1, 1e7))
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "Sequences per step")
      ->check(examples::in_range(1, 1e4))
      ->capture_default_str();
  examples::add_pretraining_options(app, "the initialisation and the choice of windows",
                                    "FILE.checkpoint", options);
  app.add_option("--output", options.output, "The model")->type_name("FILE")->capture_default_str();
  app.add_flag("--smoke", options.smoke, "A tiny model on a built-in rhyme, in a few seconds");
  if (const auto exit_code = examples::parse_command_line(app, argc, argv)) return *exit_code;
  if (options.smoke) {
    options.model = {256, 32, 32, 2, 2};
    if (app.count("--steps") == 0) options.steps = 120;
  }
  return examples::run_program("pretrain_gpt", "fetch it: examples/data/text.sh",
                               [&] { pretrain(options); });
}
