// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/finetune_checkpoint.hpp"

#include <Eigen/Core>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;

examples::RunKey key_of_rank(int rank, const char* data) {
  return {"lora_adamw", 1e-3, 0, {{"rank", rank}, {"data", data}}};
}

/// One pair of 5 by 4, of rank 2, all numbers `value`, and its optimizer.
struct SmallPair {
  explicit SmallPair(float value) : numbers(Eigen::VectorXf::Constant(36, value)) {
    float* const at = numbers.data();
    optimizer->attach(lorapro::row_major_view(at, at + 8, at + 18, at + 26, 5, 4, 2, 1.0), {}, "a");
  }
  Eigen::VectorXf numbers;
  std::unique_ptr<examples::MethodOptimizer> optimizer =
      examples::make_optimizer(examples::Method::lora_adamw, {});
};

TEST_CASE("a training goes on from its checkpoint, and from no other's", "[finetune_checkpoint]") {
  const ScratchFolder folder;
  llm::FinetuneOptions options;
  options.output = folder.path() / "out";
  SmallPair trained(0.5F);
  CHECK(trained.optimizer->step().updated == 1);
  llm::FinetuneProgress progress;
  progress.step = 7;
  llm::FinetuneCheckpoint(options, key_of_rank(2, "x")).save(progress, *trained.optimizer);

  SmallPair other(0.25F);
  // Not asked to go on.
  CHECK(llm::FinetuneCheckpoint(options, key_of_rank(2, "x")).load(*other.optimizer).step == 0);
  options.resume = true;
  const auto refusal_of = [&](const examples::RunKey& key) {
    return message_of<lorapro::ConfigError>(
        [&] { llm::FinetuneCheckpoint(options, key).load(*other.optimizer); });
  };
  CHECK_THAT(refusal_of(key_of_rank(3, "x")),
             contains_text("run.checkpoint: expected the checkpoint of this training; rank: "
                           "expected 3, got 2"));
  CHECK_THAT(refusal_of(key_of_rank(2, "y")), contains_text("data: expected \"y\", got \"x\""));
  CHECK(other.numbers == Eigen::VectorXf::Constant(36, 0.25F));
  const llm::FinetuneCheckpoint same(options, key_of_rank(2, "x"));
  CHECK(same.load(*other.optimizer).step == 7);
  CHECK(other.numbers.head(18) == trained.numbers.head(18));
  same.remove();
  CHECK(same.load(*other.optimizer).step == 0);
}

}  // namespace
