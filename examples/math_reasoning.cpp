// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes a small GPT to word problems in several ways and compares them. The base, pretrained
// in the first run (a few minutes), has learned to add and subtract numbers that it is given with a
// sign; without one, it adds. Now it is to find the numbers in a sentence, tell by the verb whether
// to add or to subtract, and write the worked line, "93+16=901": the result has its last digit
// first.
//
//   math_reasoning
//   math_reasoning --methods lora_adamw,lora_pro_full --rank 4 --seeds 5

#include <lorapro/lorapro.hpp>
#include <algorithm>  // std::fill, std::min
#include <cstdio>
#include <filesystem>
#include <fmt/format.h>
#include <string>
#include <string_view>
#include <vector>

#include "nn/gpt.hpp"
#include "nn/gpt_text.hpp"
#include "nn/threads.hpp"
#include "nn/training.hpp"
#include "support/arithmetic_texts.hpp"
#include "support/gpt_fine_tuning.hpp"
#include "support/method_optimizer.hpp"
#include "support/pretrained_file.hpp"
#include "support/progress_bar.hpp"
#include "support/run_options.hpp"
#include "support/word_problems.hpp"

namespace {

using examples::exact_match;
using examples::Method;
using examples::NumberPairs;
using examples::plain_sums;
using examples::prompt_of;
using examples::RandomEngine;
using examples::Split;
using examples::spread_sum;
using examples::tokens_of;
using examples::nn::LabelledTokens;
using lorapro::Index;
using Gpt = examples::nn::Gpt<float>;

// Those of lora_adamw, rslora_adamw, lora_pro_adapter, lora_pro_full and full_adamw: the best on
// validation problems, two seeds, of
//   math_reasoning --validation --seeds 2
//     --lr lora_adamw=5.6e-3:1e-2:1.8e-2:3e-2,rslora_adamw=3e-3:5.6e-3,
//          lora_pro_adapter=3e-3:5.6e-3:1e-2:1.8e-2:3e-2,
//          lora_pro_full=5.6e-3:1e-2:1.8e-2:3e-2:5.6e-2,full_adamw=1.8e-3:3e-3:5.6e-3:1e-2
// Those of lora_pro_spectral and of the rules of other papers are by bench/convergence; the others
// are not tuned.
const examples::LearningRates kLearningRates{
    {Method::lora_adamw, {1e-2}},
    {Method::lora_sgd, {3e-1}},
    {Method::rslora_adamw, {5.6e-3}},
    {Method::loraplus_adamw, {5.6e-4}},
    {Method::lora_pro_sgd, {1.0}},
    {Method::lora_pro_adapter, {1.8e-2}},
    {Method::lora_pro_full, {3e-2}},
    {Method::lora_pro_factored, {3e-2}},
    {Method::lora_pro_spectral, {5.6e-3}},
    {Method::lora_muon, {5e-3}},
    {Method::scaled_gd, {0.32}},
    {Method::scaled_adamw, {3.2e-2}},
    {Method::lora_fa, {0.1}},
    {Method::altlora, {5.6}},
    {Method::altlora_plus, {5.6e-3}},
    {Method::lora_rite, {1e-2}},
    {Method::reflora, {1e-2}},
    {Method::reflora_s, {1e-2}},
    {Method::joint_lora_muon, {0.1}},
    {Method::imuon, {0.1}},
    {Method::adaprelora, {5.6e-3}},
    {Method::loft, {1e-2}},
    {Method::full_adamw, {5.6e-3}},
    {Method::full_muon, {5e-3}},
};

struct Options : examples::GptOptions {
  // Of the pretraining; only --smoke changes them.
  examples::nn::GptConfig base{
      128, static_cast<Index>(examples::kPromptLength + examples::kLineLength), 128, 2, 4};
  std::int64_t pretraining_steps = 2600;
  std::size_t evaluation_size = 1000;
};

/// Teaches a new model to add and subtract on sheets of plain sums, then on spread ones as well.
void pretrain(Gpt& gpt, const NumberPairs& pairs, const std::string& recipe,
              const Options& options) {
  constexpr int kBatch = 32, kSpread = 20;
  RandomEngine engine(0);
  gpt.randomize(engine);
  lorapro::OptimizerConfig config;
  config.group.lr = 2e-3;
  config.group.weight_decay = 0.1;  // much less, and it learns the training sums by heart
  config.beta2 = 0.98;
  config.schedule =
      lorapro::LrSchedule::linear(options.pretraining_steps / 20, options.pretraining_steps);
  config.threads = options.threads;
  const auto optimizer = examples::make_optimizer(Method::full_adamw, config);
  attach_to(*optimizer, gpt);
  examples::ProgressBar bar(options.pretraining_steps);
  bar.set_label("pretraining");
  const auto checkpoint = options.run_checkpoint();
  examples::RunRecorder recorder(examples::pretraining_key(recipe), options.pretraining_steps,
                                 options.pretraining_steps, bar, &checkpoint);
  const std::int64_t done = recorder.start(*optimizer);
  for (std::int64_t step = 0; step < options.pretraining_steps; ++step) {
    const bool plain_only = step < options.pretraining_steps * 35 / 100;
    std::vector<LabelledTokens> texts;
    for (int i = 0; i < kBatch; ++i) {
      texts.push_back(!plain_only && i < kSpread ? spread_sum(pairs, Split::training, engine)
                                                 : plain_sums(pairs, Split::training, engine));
    }
    if (step < done) continue;  // with the engine where it was
    const auto batch = examples::nn::make_batch(texts);
    const double loss = gpt.loss_and_gradients(batch.tokens, batch.sequences, batch.labels);
    recorder.update(*optimizer);
    recorder.after_step(loss);
  }
}

std::vector<LabelledTokens> word_problems(const NumberPairs& pairs, Split split, std::size_t count,
                                          RandomEngine& engine) {
  std::vector<LabelledTokens> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    const auto problem = draw_word_problem(pairs, split, engine);
    tokens.push_back(tokens_of(problem.text, problem.sum));
  }
  return tokens;
}

/// The file with the base: the one that the user named, that of an earlier run, or a new one.
std::filesystem::path base_file(const NumberPairs& pairs, const Options& options) {
  if (!options.model.empty()) {
    if (!std::filesystem::exists(options.model)) {
      throw examples::UsageError("--model", options.model.string() + ": there is no such file");
    }
    return options.model;
  }
  const std::string recipe = fmt::format(
      "byte-level GPT, width {}, {} layers, {} heads, context {}; plain and spread sums of "
      "two-digit numbers, {} steps",
      options.base.width, options.base.layers, options.base.heads, options.base.context,
      options.pretraining_steps);
  const auto path = options.cache / fmt::format("gpt_sums_{}_{}.safetensors", options.base.width,
                                                options.pretraining_steps);
  if (examples::holds_pretrained(path, recipe)) return path;
  Gpt gpt(options.base);
  pretrain(gpt, pairs, recipe, options);
  RandomEngine engine(1);
  std::vector<LabelledTokens> plain, spread;
  for (int i = 0; i < 500; ++i) {
    plain.push_back(plain_sums(pairs, Split::test, engine));
    spread.push_back(spread_sum(pairs, Split::test, engine));
    auto& labels = plain.back().labels;  // of the last sum on the sheet only
    std::fill(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(examples::kPromptLength),
              examples::nn::kNoLabel);
  }
  examples::write_pretrained(path, recipe, gpt);
  options.run_checkpoint().remove();
  fmt::print("base written to {}: exact match {:.4f} on plain sums, {:.4f} on spread ones\n",
             path.string(), exact_match(gpt, plain), exact_match(gpt, spread));
  return path;
}

std::vector<std::string> worked_samples(Gpt& gpt, const NumberPairs& pairs, Split split) {
  RandomEngine engine(3);
  std::vector<std::string> lines;
  for (int i = 0; i < 4; ++i) {
    const auto problem = draw_word_problem(pairs, split, engine);
    std::string line = sample(gpt, prompt_of(problem.text),
                              {static_cast<Index>(examples::kLineLength), 0.0, "\n"}, engine);
    const bool right = line + "\n" == worked_line(problem.sum);
    lines.push_back(fmt::format("  {} {} ({})", problem.text, line, right ? "right" : "wrong"));
  }
  return lines;
}

void compare_methods(const examples::GptOptions& chosen) {
  Options options{chosen};
  if (options.smoke) {
    options.base.width = 32;
    options.base.heads = 2;
    options.pretraining_steps = 30;
    options.evaluation_size = 32;
  }
  examples::nn::set_threads(options.threads);
  const NumberPairs pairs;
  options.model = base_file(pairs, options);
  const examples::GptBase base(options.model, options.base);
  const Split split = options.validation ? Split::validation : Split::test;
  RandomEngine engine(2);
  const auto held_out = word_problems(pairs, split, options.evaluation_size, engine);
  const std::vector<LabelledTokens> some(
      held_out.begin(),
      held_out.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(held_out.size(), 192)));

  examples::TextTask task;
  task.training = word_problems(pairs, Split::training, 20000, engine);
  task.quick_metric = [&](Gpt& gpt) { return exact_match(gpt, some); };
  task.measure = [&](Gpt& gpt, examples::Run& run) { run.value = exact_match(gpt, held_out); };
  task.samples = [&](Gpt& gpt) { return worked_samples(gpt, pairs, split); };
  fmt::print("{} word problems to learn from, {} with other numbers and sentences held out ({})\n",
             options.train_size, held_out.size(), options.validation ? "validation" : "test");
  examples::compare_on_text(
      {"math_reasoning", "exact match", /*higher_is_better=*/true, /*is_share=*/true},
      fmt::format("Word problems: {} of them", options.train_size), base, task, options,
      {{"evaluation_size", held_out.size()}});
}

}  // namespace

int main(int argc, char** argv) {
  examples::GptOptions options;
  options.train_size = 2000;
  options.batch_size = 32;
  options.epochs = 5;
  return examples::run_gpt_program(
      "math_reasoning", "Fine-tunes a small GPT to word problems in several ways.",
      "nothing is needed", options, kLearningRates, argc, argv, compare_methods);
}
