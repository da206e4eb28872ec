// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "dry_run.hpp"

#include <algorithm>  // std::max
#include <fmt/format.h>

#include "training_cost.hpp"

namespace examples::llm {

namespace {

/// One line, with what is not printable as escapes; UTF-8 stays.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string duration(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} seconds", seconds);
  if (seconds < 2 * 3600) return fmt::format("{:.0f} minutes", seconds / 60);
  return fmt::format("{:.1f} hours", seconds / 3600);
}

}  // namespace

std::string describe_example(const TokenizedExample& example, const Tokenizer& tokenizer) {
  std::string text, tokens;
  for (std::size_t t = 0; t < example.ids.size(); ++t) {
    const std::string piece = tokenizer.piece(example.ids[t]);
    text += piece;
    tokens += fmt::format("{:>8} {} {}\n", example.ids[t], example.trained[t] ? '*' : ' ',
                          escaped(piece));
  }
  return fmt::format("the first example:\n{}\nits tokens, * where the loss asks for them:\n{}",
                     text, tokens);
}

std::string describe_cost(const FinetuneOptions& options, const LlamaConfig& config,
                          const FinetuneData& data, std::int64_t steps, double speed) {
  const LlamaOptions llama = options.llama_options();
  const TrainingSizes sizes = training_sizes(config, llama);
  const EncodedData& train = data.train->data;
  double rows = 0, seen = 0;
  Index longest = 0;
  for (const TokenizedExample& example : train.examples) {
    const auto count = static_cast<double>(rows_of(example));
    rows += count;
    seen += count * (count + 1) / 2;
    longest = std::max(longest, rows_of(example));
  }
  const Index batch = options.packing ? options.micro_tokens : longest;
  const double flops =
      flops_per_token(config, llama, seen / rows, static_cast<double>(train.labels) / rows);
  // Steps of an epoch have the rows of the data, those of another number of steps about as many.
  const double epoch_steps = std::max(rows / static_cast<double>(options.tokens_per_step), 1.0);
  const double total_rows = rows * static_cast<double>(steps) / epoch_steps;
  return fmt::format(
      "{:.0f} numbers in frozen layers, {:.0f} in embeddings and head, {:.0f} to train\n"
      "memory: {}\n"
      "time: {} steps of at most {} tokens, {:.3g} GFLOP per token; about {} at the {:.3g} GFLOP/s "
      "that a product of matrices reaches here now\n",
      sizes.linear, sizes.embeddings, sizes.adapters,
      text_of(training_memory(config, llama, options.method, batch)), steps,
      options.tokens_per_step, flops / 1e9, duration(flops * total_rows / speed), speed / 1e9);
}

}  // namespace examples::llm
