// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "finetune_watch.hpp"

#include <fmt/format.h>
#include <functional>  // std::ref

namespace examples::llm {

FinetuneWatch::FinetuneWatch(const FinetuneOptions& options, MethodOptimizer& optimizer,
                             std::int64_t done, std::int64_t total, bool shows)
    : total_(total), shows_(shows), bar_(total) {
  if (!shows) return;
  const auto watch = [&](auto& log, const std::filesystem::path& path) {
    if (path.empty()) return;
    log.emplace(path, done + 1);
    optimizer.add_observer(std::ref(*log));
  };
  watch(csv_, options.csv);
  watch(json_lines_, options.json_lines);
  watch(tensorboard_, options.tensorboard);
  bar_.skip(done);
}

void FinetuneWatch::after_step(std::int64_t step, Index tokens, double loss) {
  if (!shows_) return;
  tokens_ += tokens;
  const double speed = static_cast<double>(tokens_) / std::max(seconds(), 1e-9);
  bar_.set_label(fmt::format("step {}/{}  {:.0f} tokens/s", step, total_, speed));
  bar_.advance(loss);
}

void FinetuneWatch::before_training(const Evaluation& untrained) {
  print(fmt::format("before the training: cross-entropy {:.4f} per token, perplexity {:.3f}",
                    untrained.cross_entropy, untrained.perplexity()));
  if (tensorboard_) tensorboard_->add_scalar("valid/cross_entropy", 0, untrained.cross_entropy);
}

void FinetuneWatch::after_evaluation(std::int64_t step, const Evaluation& evaluation,
                                     bool is_best) {
  print(fmt::format("step {}: cross-entropy {:.4f} per token, perplexity {:.3f}{}", step,
                    evaluation.cross_entropy, evaluation.perplexity(),
                    is_best ? ", the best so far" : ""));
  if (tensorboard_) {
    tensorboard_->add_scalar("valid/cross_entropy", step, evaluation.cross_entropy);
  }
}

double FinetuneWatch::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

}  // namespace examples::llm
