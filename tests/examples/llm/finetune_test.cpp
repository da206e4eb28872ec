// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/finetune.hpp"

#include <lorapro/core/file_error.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "examples/llm/evaluation.hpp"
#include "examples/llm/finetune_data.hpp"
#include "examples/llm/llama_adapter.hpp"
#include "examples/llm/llama_files.hpp"
#include "examples/support/models_folder.hpp"
#include "examples/support/run_options.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;

/// Questions and answers of a kind that the model has not seen.
std::string counting_lines(int first, int count) {
  static const char* const kNumbers[] = {"one", "two",   "three", "four", "five",
                                         "six", "seven", "eight", "nine", "ten"};
  std::string lines;
  for (int i = first; i < first + count; ++i) {
    const std::string number = kNumbers[i % 9], next = kNumbers[i % 9 + 1];
    lines += nlohmann::json{{"prompt", "After " + number + " comes"},
                            {"completion", " " + next + ". So " + next + " it is!"}}
                 .dump() +
             "\n";
  }
  return lines;
}

std::string hf_folder() { return (examples::models_folder() / "llama_english").string(); }

/// A short training on `folder`/data, into `folder`/out.
llm::FinetuneOptions short_training(const ScratchFolder& folder) {
  std::filesystem::create_directories(folder.path() / "data");
  folder.write("data/train.jsonl", counting_lines(0, 45));
  folder.write("data/valid.jsonl", counting_lines(3, 9));
  llm::FinetuneOptions options;
  options.model = hf_folder();
  options.data = folder.path() / "data";
  options.output = folder.path() / "out";
  options.rank = 4;
  options.learning_rate = 2e-3;
  options.steps = 30;
  options.max_length = 48;
  options.micro_tokens = 64;
  options.tokens_per_step = 128;
  options.eval_every = 10;
  options.threads = 1;
  return options;
}

nlohmann::json results_in(const std::filesystem::path& folder) {
  std::ifstream file(folder / "results.json");
  return nlohmann::json::parse(file);
}

TEST_CASE("thirty steps on every base lower the loss and move every B", "[finetune]") {
  for (const char* base : {"float", "bf16", "int8", "nf4"}) {
    INFO(base);
    const ScratchFolder folder;
    auto options = short_training(folder);
    options.base = base;
    CHECK(llm::finetune(options) == llm::FinetuneEnd::finished);
    const auto results = results_in(options.output);
    const auto& losses = results.at("loss_curve");
    REQUIRE(losses.size() == 30);
    CHECK(losses.back().at(1).get<double>() < 0.7 * losses.front().at(1).get<double>());
    const auto& valid = results.at("valid_curve");
    REQUIRE(valid.size() == 4);  // the first before the training
    CHECK(valid.back().at(1).get<double>() < valid.front().at(1).get<double>());
    const auto modules =
        llm::read_llama_adapter(options.output.string(), llm::open_model(hf_folder())->config());
    CHECK(modules.size() == 28);
    for (const auto& module : modules) {
      INFO(module.path);
      CHECK(module.lora_B().norm() > 0);
    }
  }
}

TEST_CASE("an adapter is read back from both of its forms with the same loss", "[finetune]") {
  const ScratchFolder folder;
  auto options = short_training(folder);
  options.base = "bf16";
  options.steps = 10;
  llm::finetune(options);
  const double expected = results_in(options.output).at("best_cross_entropy");
  const auto tensors = llm::open_model(options.model);
  const auto tokenizer = llm::load_tokenizer(options.model);
  const auto data = llm::load_data(options, *tokenizer, tensors->config().vocab_size);
  for (const auto& path : {options.output, options.output / "adapter.gguf"}) {
    INFO(path.string());
    const auto modules = llm::read_llama_adapter(path.string(), tensors->config());
    llm::Llama<float> model(tensors, llm::options_for(options.llama_options(), modules));
    llm::load_adapter_into(model, modules);
    const auto evaluation =
        llm::evaluate(model, data.valid->data.examples, options.packing_options());
    CHECK(evaluation.cross_entropy == Approx(expected).epsilon(1e-6));
  }
}

TEST_CASE("the bits of a training do not depend on checkpointing and threads", "[finetune]") {
  const ScratchFolder folder;
  auto options = short_training(folder);
  options.steps = 4;
  options.dropout = 0.1;
  llm::finetune(options);
  const auto expected = results_in(options.output).at("loss_curve");
  options.fresh = true;
  options.checkpointing = false;
  options.threads = 2;
  llm::finetune(options);
  CHECK(results_in(options.output).at("loss_curve") == expected);
}

TEST_CASE("the gradient of a step is that of all its labels, however they are batched",
          "[finetune]") {
  const ScratchFolder folder;
  auto options = short_training(folder);
  options.base = "float";
  options.steps = 3;
  options.method = examples::Method::lora_sgd;
  options.learning_rate = 0.1;
  options.micro_tokens = 128;
  llm::finetune(options);
  const auto expected = results_in(options.output).at("loss_curve");
  options.fresh = true;
  options.packing = false;
  llm::finetune(options);
  const auto alone = results_in(options.output).at("loss_curve");
  REQUIRE(alone.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(alone[i][1].get<double>() == Approx(expected[i][1].get<double>()).epsilon(1e-5));
  }
}

TEST_CASE("what would be written over is asked for", "[finetune]") {
  const ScratchFolder folder;
  auto options = short_training(folder);
  options.steps = 2;
  llm::finetune(options);
  CHECK_THAT(message_of<examples::UsageError>([&] { llm::finetune(options); }),
             contains_text("results.json is there: --resume goes on"));
  options.resume = true;
  CHECK(llm::finetune(options) == llm::FinetuneEnd::finished);  // done already
}

TEST_CASE("a loss that is not finite stops the training", "[finetune]") {
  const ScratchFolder folder;
  auto options = short_training(folder);
  options.method = examples::Method::lora_sgd;
  options.learning_rate = 1e30;  // products of queries and keys overflow in the second step
  options.clip = 0;
  options.warmup = 0;
  options.checkpoint_every = 1;
  const auto error = message_of<lorapro::StateError>([&] { llm::finetune(options); });
  CHECK_THAT(error, contains_text("step 2: expected a finite loss, got"));
  CHECK(std::filesystem::exists(options.output / "run.checkpoint"));
  CHECK_FALSE(std::filesystem::exists(options.output / "results.json"));
}

}  // namespace
