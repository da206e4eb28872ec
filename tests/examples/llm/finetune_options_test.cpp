// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/finetune_options.hpp"

#include "examples/support/run_options.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace llm = examples::llm;

llm::FinetuneOptions finetune_options(const std::string& command_line) {
  llm::FinetuneOptions options;
  CLI::App app;
  llm::add_finetune_options(app, options);
  app.parse(command_line);
  if (options.smoke) llm::choose_smoke_options(app, options);
  return options;
}

TEST_CASE("targets can have ranks of their own", "[finetune_options]") {
  const auto options =
      finetune_options("--model m --rank 8 --rslora --rank-pattern q_proj=4,down_proj=12");
  const llm::LlamaOptions llama = options.llama_options();
  CHECK(llama.rank_of("q_proj") == 4);
  CHECK(llama.rank_of("down_proj") == 12);
  CHECK(llama.rank_of("k_proj") == 8);
  for (const char* wrong :
       {"q_proj", "q_proj=", "=4", "q_proj=0", "q_proj=-1", "q_proj=12345", "q_proj=4x"}) {
    INFO(wrong);
    CHECK_THAT(message_of<examples::UsageError>(
                   [&] { finetune_options("--model m --rank-pattern " + std::string(wrong)); }),
               contains_text("--rank-pattern") && contains_text("expected NAME=RANK") &&
                   contains_text(wrong));
  }
  CHECK_THAT(message_of<examples::UsageError>(
                 [] { finetune_options("--model m --rank-pattern q_proj=4,q_proj=5"); }),
             contains_text("expected each name once"));
}

TEST_CASE("what the command line does not say is chosen by --smoke", "[finetune_options]") {
  const auto chosen = finetune_options("--smoke");
  CHECK(std::filesystem::exists(std::filesystem::path(chosen.model) / "config.json"));
  CHECK(std::filesystem::exists(chosen.data / "train.jsonl"));
  CHECK_FALSE(chosen.output.empty());
  CHECK(chosen.fresh);
  CHECK_NOTHROW(llm::check_finetune_options(chosen));

  const auto said = finetune_options("--smoke --model m --output out --rank 3 --epochs 2");
  CHECK(said.model == "m");
  CHECK(said.data == chosen.data);
  CHECK(said.output == "out");
  CHECK_FALSE(said.fresh);
  CHECK(said.rank == 3);
  CHECK(said.epochs == 2);
  CHECK(said.steps == 0);
  CHECK(said.learning_rate == chosen.learning_rate);
}

TEST_CASE("without a model there is nothing to do", "[finetune_options]") {
  CHECK_THAT(message_of<examples::UsageError>(
                 [] { llm::check_finetune_options(finetune_options("--data d")); }),
             contains_text("--model") && contains_text("expected a model, or --smoke"));
}

}  // namespace
