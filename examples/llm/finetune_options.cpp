// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_options.hpp"

#include <cmath>  // std::ceil
#include <fmt/format.h>

#include "../support/models_folder.hpp"
#include "../support/run_options.hpp"

namespace examples::llm {

namespace {

/// "lora_adamw, lora_sgd, ..."
std::string adapter_methods() {
  std::string names;
  for (const MethodInfo& method : kMethods) {
    if (method.trains_adapters) names += (names.empty() ? "" : ", ") + std::string(method.name);
  }
  return names;
}

Method parse_adapter_method(const std::string& name) {
  const auto method = method_named(name);
  if (method && info(*method).trains_adapters) return *method;
  throw UsageError("--method", "expected one of " + adapter_methods() + ", got '" + name + "'");
}

ChatStyle parse_chat_style(const std::string& name) {
  if (const auto style = chat_style_named(name)) return *style;
  throw UsageError("--chat-template",
                   "expected chatml, llama3, llama2, mistral or zephyr, got '" + name + "'");
}

/// Takes "q_proj=4" over. \throws UsageError.
void add_rank(const std::string& text, std::map<std::string, Index>& ranks) {
  const auto sign = text.find('=');
  const std::string number = sign == text.npos ? "" : text.substr(sign + 1);
  const bool is_number = !number.empty() && number.size() <= 4 &&
                         number.find_first_not_of("0123456789") == std::string::npos;
  if (sign == 0 || !is_number || std::stol(number) < 1)
    throw UsageError("--rank-pattern",
                     "expected NAME=RANK with a rank from 1 to 9999, got '" + text + "'");
  if (!ranks.emplace(text.substr(0, sign), std::stol(number)).second)
    throw UsageError("--rank-pattern", "expected each name once, got '" + text + "' again");
}

void add_model_options(CLI::App& app, FinetuneOptions& options) {
  app.add_option("--model", options.model,
                 "A Hugging Face folder, a GGUF file, or a checkpoint of llama2.c (.bin)")
      ->type_name("PATH")
      ->group("Model");
  app.add_option("--tokenizer", options.tokenizer,
                 "Its tokenizer, where that is not in the same place [default: --model]")
      ->type_name("PATH")
      ->group("Model");
  app.add_option("--base", options.base, "What its weights are kept in")
      ->check(CLI::IsMember({"nf4", "int8", "bf16", "float"}).description(""))
      ->type_name("nf4|int8|bf16|float")
      ->capture_default_str()
      ->group("Model");
  app.add_option("--adapter", options.adapter,
                 "An adapter that was trained before (the --output of then), for --test and "
                 "--sample")
      ->type_name("DIR")
      ->group("Model");
  app.add_option("--threads", options.threads, "Threads; 0 for all cores")
      ->check(in_range(0, 1024))
      ->capture_default_str()
      ->group("Model");
}

void add_data_options(CLI::App& app, FinetuneOptions& options) {
  constexpr const char* kGroup = "Data";
  app.add_option("--data", options.data,
                 "What to train on: a file (.jsonl or .txt), or a folder with train, and valid "
                 "and test if it likes")
      ->type_name("PATH")
      ->group(kGroup);
  app.add_option("--valid", options.valid, "Data of the evaluations [default: valid of the folder]")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_option("--test", options.test,
                 "Data to measure at the end, or without training [default: test of the folder]")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_option_function<std::string>(
         "--chat-template",
         [&](const std::string& name) { options.chat_style = parse_chat_style(name); },
         "How conversations are rendered [default: as the model's own template says]")
      ->type_name("chatml|llama3|llama2|mistral|zephyr")
      ->group(kGroup);
  app.add_option("--max-length", options.max_length, "Tokens of an example; what is beyond is cut")
      ->check(in_range(2, 1e6))
      ->capture_default_str()
      ->group(kGroup);
  app.add_flag("--train-on-prompt", options.train_on_prompt,
               "Train on all of a conversation or completion, not on answers alone")
      ->group(kGroup);
}

void add_adapter_options(CLI::App& app, FinetuneOptions& options) {
  constexpr const char* kGroup = "Adapter";
  app.add_option("--rank", options.rank, "Rank")
      ->check(in_range(1, 4096))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option_function<std::vector<std::string>>(
         "--rank-pattern",
         [&](const std::vector<std::string>& ranks) {
           for (const std::string& one : ranks) add_rank(one, options.rank_pattern);
         },
         "Ranks of some of the targets")
      ->delimiter(',')
      ->type_name("NAME=RANK,...")
      ->group(kGroup);
  app.add_option("--alpha", options.alpha, "It is scaled by alpha / rank")
      ->check(in_range(1e-6, 1e6))
      ->capture_default_str()
      ->group(kGroup);
  app.add_flag("--rslora", options.use_rslora, "Scale it by alpha / sqrt(rank) instead")
      ->group(kGroup);
  app.add_option("--dropout", options.dropout, "Part of its input that a step leaves out")
      ->check(in_range(0, 0.99))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--targets", options.targets, "Linear layers that get one")
      ->delimiter(',')
      ->type_name("NAME,...")
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--last-layers", options.last_layers, "Only so many blocks get one; 0 for all")
      ->check(in_range(0, 1e6))
      ->capture_default_str()
      ->group(kGroup);
}

void add_training_options(CLI::App& app, FinetuneOptions& options) {
  constexpr const char* kGroup = "Training";
  app.add_option_function<std::string>(
         "--method", [&](const std::string& name) { options.method = parse_adapter_method(name); },
         adapter_methods())
      ->type_name("NAME")
      ->default_str(std::string(info(options.method).name))
      ->group(kGroup);
  app.add_option("--lr", options.learning_rate, "Learning rate")
      ->check(in_range(1e-12, 1e3))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--schedule", options.schedule, "Of the learning rate")
      ->check(CLI::IsMember({"constant", "linear", "cosine"}).description(""))
      ->type_name("constant|linear|cosine")
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--warmup", options.warmup, "Part of the steps in which the rate grows")
      ->check(in_range(0, 1))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--clip", options.clip, "Norm that gradients are scaled down to; 0 for none")
      ->check(in_range(0, 1e12))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--weight-decay", options.weight_decay, "Decoupled weight decay")
      ->check(in_range(0, 1e3))
      ->capture_default_str()
      ->group(kGroup);
  auto* const epochs = app.add_option("--epochs", options.epochs, "Passes over the data")
                           ->check(in_range(1, 1e6))
                           ->capture_default_str()
                           ->group(kGroup);
  app.add_option("--steps", options.steps, "Steps, in place of --epochs")
      ->check(in_range(1, 1e9))
      ->excludes(epochs)
      ->group(kGroup);
  app.add_option("--tokens-per-step", options.tokens_per_step, "Tokens of one step, at most")
      ->check(in_range(1, 1e9))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--micro-tokens", options.micro_tokens,
                 "Tokens that go through the model together, at most: memory grows with them")
      ->check(in_range(1, 1e9))
      ->capture_default_str()
      ->group(kGroup);
  app.add_flag("!--no-packing", options.packing, "One example at a time goes through the model")
      ->group(kGroup);
  app.add_flag("!--no-checkpointing", options.checkpointing,
               "Keep all activations: faster by a third, in many times the memory")
      ->group(kGroup);
  app.add_option("--seed", options.seed, "Of the adapter, dropout and the order of the examples")
      ->capture_default_str()
      ->group(kGroup);
}

void add_watching_options(CLI::App& app, FinetuneOptions& options) {
  constexpr const char* kGroup = "Watching";
  app.add_option("--eval-every", options.eval_every,
                 "Steps between two evaluations; 0 for one at the end")
      ->check(in_range(0, 1e9))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--sample", options.samples,
                 "Print how the model goes on with this text, at every evaluation or with an "
                 "--adapter; can be given again")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_flag("--chat", options.chat_samples, "Samples are questions of a user")->group(kGroup);
  app.add_option("--sample-tokens", options.sample_tokens, "Tokens of a sample, at most")
      ->check(in_range(1, 1e6))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--temperature", options.temperature, "Of the samples; 0 for the likeliest token")
      ->check(in_range(0, 100))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--csv", options.csv, "Log of the steps")->type_name("FILE")->group(kGroup);
  app.add_option("--json-lines", options.json_lines, "Log of the steps, a JSON object in a line")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_option("--tensorboard", options.tensorboard, "Folder of event files for TensorBoard")
      ->type_name("DIR")
      ->group(kGroup);
}

void add_output_options(CLI::App& app, FinetuneOptions& options) {
  constexpr const char* kGroup = "Output";
  app.add_option("--output", options.output,
                 "Folder of the PEFT adapter, adapter.gguf and results.json")
      ->type_name("DIR")
      ->group(kGroup);
  app.add_option("--checkpoint-every", options.checkpoint_every,
                 "Steps between two checkpoints; 0 for none")
      ->check(in_range(0, 1e9))
      ->capture_default_str()
      ->group(kGroup);
  auto* const fresh = app.add_flag("--fresh", options.fresh,
                                   "Begin anew, even if the folder has a training or an adapter")
                          ->group(kGroup);
  app.add_flag("--resume", options.resume, "Go on where the checkpoint of the folder is")
      ->excludes(fresh)
      ->group(kGroup);
  app.add_flag("--dry-run", options.dry_run,
               "Show the first example, and what memory and time the training takes; train nothing")
      ->group(kGroup);
  app.add_flag("--smoke", options.smoke,
               "Train on the model and the data that are shipped, in seconds; other options "
               "hold all the same")
      ->group(kGroup);
}

}  // namespace

LlamaOptions FinetuneOptions::llama_options() const {
  LlamaOptions llama;
  llama.base = base_format_named(base);
  llama.lora.rank = rank;
  llama.rank_pattern = rank_pattern;
  llama.lora.lora_alpha = alpha;
  llama.lora.use_rslora = is_rslora();
  llama.lora.lora_dropout = dropout;
  llama.lora.seed = seed;
  llama.targets = targets;
  llama.last_layers = last_layers;
  llama.max_length = max_length;
  llama.checkpointing = checkpointing;
  llama.threads = threads;
  return llama;
}

lorapro::OptimizerConfig FinetuneOptions::optimizer_config(std::int64_t total) const {
  using lorapro::LrSchedule;
  lorapro::OptimizerConfig config;
  config.group.lr = learning_rate;
  config.group.weight_decay = weight_decay;
  if (method == Method::loraplus_adamw) config.group.loraplus_lr_ratio = 16;  // as in its paper
  if (clip > 0) {
    config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
    config.group.max_grad_norm = clip;
  }
  const auto warmup_steps =
      static_cast<std::int64_t>(std::ceil(warmup * static_cast<double>(total)));
  config.schedule = schedule == "constant" ? LrSchedule::constant(warmup_steps)
                    : schedule == "linear" ? LrSchedule::linear(warmup_steps, total)
                                           : LrSchedule::cosine(warmup_steps, total);
  config.seed = seed;
  config.threads = threads;
  return config;
}

void add_finetune_options(CLI::App& app, FinetuneOptions& options) {
  add_model_options(app, options);
  add_data_options(app, options);
  add_adapter_options(app, options);
  add_training_options(app, options);
  add_watching_options(app, options);
  add_output_options(app, options);
}

void choose_smoke_options(const CLI::App& app, FinetuneOptions& options) {
  const auto unless_said = [&](const char* option, auto& field, const auto& value) {
    if (app.count(option) == 0) field = value;
  };
  const auto shipped = models_folder();
  unless_said("--model", options.model, (shipped / "llama_english").string());
  unless_said("--data", options.data, shipped.parent_path() / "data" / "capitals");
  if (app.count("--output") == 0) {
    options.output = std::filesystem::temp_directory_path() / "llm_finetune_smoke";
    options.fresh = !options.resume;
  }
  unless_said("--rank", options.rank, 8);
  unless_said("--lr", options.learning_rate, 1e-2);
  if (app.count("--epochs") == 0) unless_said("--steps", options.steps, 60);
  unless_said("--max-length", options.max_length, 64);
  unless_said("--micro-tokens", options.micro_tokens, 512);
  unless_said("--tokens-per-step", options.tokens_per_step, 512);
  unless_said("--sample", options.samples,
              std::vector<std::string>{"What is the capital of Greece?"});
  unless_said("--sample-tokens", options.sample_tokens, 30);
}

void check_finetune_options(const FinetuneOptions& options) {
  const auto require = [](bool holds, const char* option, const std::string& message) {
    if (!holds) throw UsageError(option, message);
  };
  require(!options.model.empty(), "--model", "expected a model, or --smoke, got neither");
  if (options.trains()) {
    require(options.adapter.empty(), "--adapter",
            "expected no --data beside it: a training begins with an adapter of its own");
    require(options.dry_run || !options.output.empty(), "--output",
            "expected a folder for what --data train");
    require(options.micro_tokens >= options.max_length, "--micro-tokens",
            fmt::format("expected at least the {} of --max-length, got {}", options.max_length,
                        options.micro_tokens));
    require(options.tokens_per_step >= options.micro_tokens, "--tokens-per-step",
            fmt::format("expected at least the {} of --micro-tokens, got {}", options.micro_tokens,
                        options.tokens_per_step));
    return;
  }
  require(options.output.empty(), "--output", "expected --data, to train on");
  require(!options.resume, "--resume", "expected --data, to train on");
  require(!options.dry_run, "--dry-run", "expected --data, to train on");
  require(options.valid.empty(), "--valid", "expected --data, to train on");
  require(!options.test.empty() || !options.samples.empty(), "--model",
          "expected something to do with it: --data, --test or --sample");
}

}  // namespace examples::llm
