// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/optim/optimizer_config.hpp>
#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "../support/method.hpp"
#include "chat_template.hpp"
#include "llama_options.hpp"
#include "packing.hpp"

namespace examples::llm {

/// What the user of llm_finetune can choose.
struct FinetuneOptions {
  std::string model;
  std::string tokenizer;          // empty: that of the model
  std::filesystem::path adapter;  // one that was trained before, to test and to sample with

  std::filesystem::path data, valid, test;
  std::optional<ChatStyle> chat_style;  // unset: the model's own
  Index max_length = 512;
  bool train_on_prompt = false;

  std::string base = "nf4";
  Index rank = 16;
  std::map<std::string, Index> rank_pattern;  // of some targets
  double alpha = 16;
  bool use_rslora = false;
  double dropout = 0;
  std::vector<std::string> targets = LlamaOptions().targets;
  Index last_layers = 0;

  Method method = Method::lora_pro_spectral;
  double learning_rate = 2e-4;
  std::string schedule = "cosine";
  double warmup = 0.05;  // part of the steps
  double clip = 1;       // 0: none
  double weight_decay = 0;
  std::int64_t epochs = 1;
  std::int64_t steps = 0;  // 0: as many as the epochs have
  Index tokens_per_step = 4096;
  Index micro_tokens = 1024;
  bool packing = true;
  bool checkpointing = true;
  std::uint64_t seed = 0;
  int threads = 0;

  std::int64_t eval_every = 200;  // steps; 0: at the end alone
  std::vector<std::string> samples;
  bool chat_samples = false;
  Index sample_tokens = 100;
  double temperature = 0;
  std::filesystem::path csv, json_lines, tensorboard;

  std::filesystem::path output;
  std::int64_t checkpoint_every = 100;
  bool resume = false;
  bool fresh = false;
  bool dry_run = false;
  bool smoke = false;

  bool trains() const { return !data.empty(); }
  bool is_rslora() const { return use_rslora || method == Method::rslora_adamw; }

  LlamaOptions llama_options() const;
  PackingOptions packing_options() const { return {tokens_per_step, micro_tokens, packing, seed}; }
  /// \param total  steps of the training.
  lorapro::OptimizerConfig optimizer_config(std::int64_t total) const;
};

/// Adds them to a command line, in groups, with their defaults.
void add_finetune_options(CLI::App& app, FinetuneOptions& options);

/// For --smoke: the shipped model and data, and a training of seconds, where the command line says
/// nothing else.
void choose_smoke_options(const CLI::App& app, FinetuneOptions& options);

/// \throws examples::UsageError: options that do not go together.
void check_finetune_options(const FinetuneOptions& options);

}  // namespace examples::llm
