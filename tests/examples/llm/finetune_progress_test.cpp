// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/finetune_progress.hpp"

#include <cmath>  // std::nan

#include "support/catch.hpp"

namespace {

using examples::llm::FinetuneProgress;

TEST_CASE("the best evaluation is the lowest, the first of equal ones", "[finetune_progress]") {
  FinetuneProgress progress;
  const auto note = [&](std::int64_t step, double loss) {
    progress.step = step;
    return progress.note_evaluation(loss);
  };
  CHECK(note(10, 2.0));
  CHECK_FALSE(note(20, 2.0));
  CHECK(note(30, 1.5));
  CHECK_FALSE(note(40, 1.75));
  CHECK_FALSE(note(50, std::nan("")));
  CHECK(progress.best_step == 30);
  CHECK(progress.best_loss == 1.5);
  CHECK(progress.valid_curve.size() == 5);
}

TEST_CASE("progress is the same after a checkpoint", "[finetune_progress]") {
  FinetuneProgress progress;
  progress.tokens = 123456789012;
  progress.dropout_masks = 99;
  progress.seconds = 0.1;
  progress.loss_curve = {{1, 1.0 / 3}, {2, 0.1}};
  progress.step = 2;
  for (const bool evaluated : {false, true}) {
    if (evaluated) progress.note_evaluation(1.0 / 7);
    const auto text = examples::llm::to_json(progress).dump();
    const auto again = examples::llm::progress_from_json(nlohmann::json::parse(text));
    CHECK(examples::llm::to_json(again) == examples::llm::to_json(progress));
    CHECK(again.best_step.has_value() == evaluated);
    CHECK(again.loss_curve == progress.loss_curve);
  }
  CHECK_THROWS_AS(examples::llm::progress_from_json({{"step", 1}}), nlohmann::json::exception);
}

}  // namespace
