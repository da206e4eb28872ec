// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune.hpp"

#include <algorithm>  // std::max
#include <cstdio>
#include <fmt/format.h>

#include "../support/run_options.hpp"  // UsageError
#include "dry_run.hpp"
#include "finetune_results.hpp"
#include "finetune_run.hpp"
#include "llama_adapter.hpp"
#include "llama_files.hpp"
#include "machine.hpp"
#include "samples.hpp"
#include "training_cost.hpp"

namespace examples::llm {

namespace {

constexpr const char* kResults = "results.json";

void say(const Peers& peers, const std::string& line) {
  if (!peers.leads()) return;
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void say_evaluation(const Peers& peers, const Evaluation& evaluation) {
  say(peers, fmt::format("test: cross-entropy {:.5f} per token, perplexity {:.4f}, over {} tokens",
                         evaluation.cross_entropy, evaluation.perplexity(), evaluation.labels));
}

std::unique_ptr<Tokenizer> tokenizer_of(const FinetuneOptions& options) {
  return load_tokenizer(options.tokenizer.empty() ? options.model : options.tokenizer);
}

/// \throws UsageError where the folder has what the training would write over.
void check_output(const FinetuneOptions& options) {
  if (options.resume || options.fresh) return;
  for (const char* name : {kCheckpoint, kResults, "adapter_model.safetensors"}) {
    const auto path = options.output / name;
    if (!std::filesystem::exists(path)) continue;
    throw UsageError("--output", path.string() +
                                     " is there: --resume goes on with an interrupted training, "
                                     "--fresh begins anew");
  }
}

/// Makes the folder; a training that begins anew leaves nothing of the last one that --resume could
/// take for its own. \throws lorapro::FileError.
void prepare_output(const FinetuneOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(options.output, error);
  if (error) {
    throw lorapro::FileError(options.output.string() + ": cannot be created (" + error.message() +
                             ")");
  }
  if (!options.fresh) return;
  for (const char* name : {kCheckpoint, kResults}) std::filesystem::remove(options.output / name);
}

/// Rows of the largest batch.
Index batch_rows(const FinetuneOptions& options, const FinetuneData& data) {
  if (options.packing) return options.micro_tokens;
  Index longest = 0;
  for (const auto& example : data.train->data.examples) {
    longest = std::max(longest, rows_of(example));
  }
  return longest;
}

void say_summaries(const Peers& peers, const FinetuneData& data) {
  for (const auto* part : {&data.train, &data.valid, &data.test}) {
    if (*part) say(peers, (*part)->summary());
  }
}

/// What was read before anything is loaded.
struct Prepared {
  std::shared_ptr<const ModelTensors> tensors;
  std::unique_ptr<Tokenizer> tokenizer;
  FinetuneData data;
  LlamaOptions llama;
};

Prepared prepare(const FinetuneOptions& options, const Peers& peers) {
  Prepared prepared;
  prepared.tensors = open_model(options.model);
  const LlamaConfig& config = prepared.tensors->config();
  prepared.llama = options.llama_options();
  check_options(prepared.llama, config);
  config.check_length(options.max_length);
  check_tensors(*prepared.tensors);
  prepared.tokenizer = tokenizer_of(options);
  prepared.data = load_data(options, *prepared.tokenizer, config.vocab_size);
  say_summaries(peers, prepared.data);
  return prepared;
}

FinetuneEnd train(const FinetuneOptions& options, const Peers& peers) {
  if (!options.dry_run && peers.leads()) check_output(options);
  const auto [tensors, tokenizer, data, llama] = prepare(options, peers);
  const LlamaConfig& config = tensors->config();
  const TrainingOrder order(rows_of(data.train->data.examples), options.packing_options());
  const std::int64_t steps = options.steps > 0 ? options.steps : order.steps_of(options.epochs);
  if (options.dry_run) {
    say(peers, describe_example(data.train->data.examples.front(), *tokenizer));
    say(peers, describe_cost(options, config, data, steps, product_speed(options.threads)));
  }
  check_memory(training_memory(config, llama, options.method, batch_rows(options, data)),
               machine_memory());
  if (options.dry_run) return FinetuneEnd::finished;

  const RunKey key = finetune_key(options, *tensors, data, steps, peers.size());
  const FinetuneCheckpoint checkpoint(options, key);
  if (options.resume && !std::filesystem::exists(checkpoint.path()) &&
      std::filesystem::exists(options.output / kResults)) {
    say(peers, (options.output / kResults).string() + " is there: the training is done");
    return FinetuneEnd::finished;
  }
  if (peers.leads()) prepare_output(options);
  Llama<float> model(tensors, llama);
  FinetuneRun run(options, data, *tokenizer, model, peers);
  say(peers, fmt::format("{} steps of {}, learning rate {:g}", steps, info(options.method).title,
                         options.learning_rate));
  const FinetuneOutcome outcome = run.run(checkpoint);
  if (!outcome.finished) {
    say(peers, fmt::format("stopped after step {}; --resume goes on", outcome.progress.step));
    return FinetuneEnd::interrupted;
  }
  std::optional<Evaluation> test;
  if (data.test) {
    peers.wait();  // for the one that writes
    // The best, which need not be the last.
    load_adapter_into(model, read_llama_adapter(options.output.string(), config));
    test = evaluate(model, data.test->data.examples, options.packing_options(), peers);
    say_evaluation(peers, *test);
  }
  if (!peers.leads()) return FinetuneEnd::finished;
  write_results(options.output / kResults, options, key, data, outcome, test, model);
  checkpoint.remove();
  say(peers, "written to " + options.output.string());
  return FinetuneEnd::finished;
}

/// Measures and samples what is there: the model alone, or with an adapter.
void use(const FinetuneOptions& options, const Peers& peers) {
  auto [tensors, tokenizer, data, llama] = prepare(options, peers);
  llama.lora.rank = 1;  // where there is no adapter, an untrained one, which changes nothing
  lorapro::io::AdapterModules modules;
  if (!options.adapter.empty()) {
    modules = read_llama_adapter(options.adapter.string(), tensors->config());
    llama = options_for(llama, modules);
  }
  TrainingMemory memory = training_memory(tensors->config(), llama, options.method, 1);
  memory.optimizer = 0;
  check_memory(memory, machine_memory());
  Llama<float> model(tensors, llama);
  if (!modules.empty()) load_adapter_into(model, modules);
  if (data.test) {
    say_evaluation(peers,
                   evaluate(model, data.test->data.examples, options.packing_options(), peers));
  }
  if (!peers.leads()) return;
  for (const std::string& prompt : options.samples) {
    say(peers, sample_text(options, *tokenizer, model, prompt));
  }
}

}  // namespace

FinetuneEnd finetune(const FinetuneOptions& options, const Peers& peers) {
  check_finetune_options(options);
  if (options.trains()) return train(options, peers);
  use(options, peers);
  return FinetuneEnd::finished;
}

}  // namespace examples::llm
