// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/training_cost.hpp"

#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace {

namespace llm = examples::llm;
using examples::Method;

/// That of SmolLM2-135M.
llm::LlamaConfig small_config() {
  llm::LlamaConfig config;
  config.hidden_size = 576;
  config.intermediate_size = 1536;
  config.layers = 30;
  config.heads = 9;
  config.kv_heads = 3;
  config.head_dim = 64;
  config.vocab_size = 49152;
  config.tied_embeddings = true;
  return config;
}

llm::LlamaOptions small_options() {
  llm::LlamaOptions options;
  options.lora.rank = 16;
  return options;
}

// Counted by hand from the shapes: a layer has 576 (2 576 + 2 192 + 3 1536) frozen numbers, and the
// adapters (2 (576 + 576) + 2 (576 + 192) + 3 (576 + 1536)) 16.
TEST_CASE("what a model of 135 million numbers has", "[training_cost]") {
  const auto sizes = llm::training_sizes(small_config(), small_options());
  CHECK(sizes.linear == 30.0 * 576 * (2 * 576 + 2 * 192 + 3 * 1536));
  CHECK(sizes.embeddings == 49152.0 * 576);
  CHECK(sizes.adapters == 30.0 * 16 * (2 * 1152 + 2 * 768 + 3 * 2112));
  CHECK(sizes.adapted == sizes.linear);
  auto untied = small_config();
  untied.tied_embeddings = false;
  CHECK(llm::training_sizes(untied, small_options()).embeddings == 2 * sizes.embeddings);
}

TEST_CASE("layers without an adapter cost none", "[training_cost]") {
  auto options = small_options();
  options.targets = {"q_proj"};
  options.last_layers = 2;
  CHECK(llm::training_sizes(small_config(), options).adapters == 2.0 * 16 * 1152);
  options.rank_pattern = {{"q_proj", 5}};
  CHECK(llm::training_sizes(small_config(), options).adapters == 2.0 * 5 * 1152);
  options = small_options();
  lorapro::LoraConfig lora;
  lora.rank = 3;
  options.pairs = {{"model.layers.4.mlp.up_proj", lora}};
  CHECK(llm::training_sizes(small_config(), options).adapters == 3.0 * 2112);
}

TEST_CASE("the memory of a training by the format of its base", "[training_cost]") {
  auto options = small_options();
  const auto total = [&](llm::BaseFormat base) {
    options.base = base;
    return llm::training_memory(small_config(), options, Method::lora_adamw, 512);
  };
  const auto nf4 = total(llm::BaseFormat::nf4);
  CHECK(nf4.base == Approx(55e6).epsilon(0.01));
  CHECK(nf4.embeddings == Approx(57e6).epsilon(0.01));
  CHECK(nf4.adapters + nf4.optimizer == Approx(78e6).epsilon(0.01));
  CHECK(nf4.activations == Approx(70e6).epsilon(0.3));
  CHECK(total(llm::BaseFormat::int8).base == Approx(106e6).epsilon(0.01));
  CHECK(total(llm::BaseFormat::bf16).base == Approx(212e6).epsilon(0.01));
  CHECK(total(llm::BaseFormat::full).embeddings == Approx(2 * 57e6).epsilon(0.01));
  options.checkpointing = false;
  // Each layer keeps its input (576), two norms and a sum of 576, q and attention's output of 576,
  // k and v of 192, three rows of 1536 and 9 sums; gradients on their way come on top.
  const double kept = 30.0 * 512 * (576 + 3 * 576 + 2 * 576 + 2 * 192 + 3 * 1536 + 9) * 4;
  CHECK(total(llm::BaseFormat::nf4).activations > kept);
  CHECK(total(llm::BaseFormat::nf4).activations == Approx(kept).epsilon(0.1));
}

TEST_CASE("the state of the optimizer by the method", "[training_cost]") {
  const auto options = small_options();
  const auto state = [&](Method method) {
    return llm::training_memory(small_config(), options, method, 512).optimizer;
  };
  const auto sizes = llm::training_sizes(small_config(), options);
  CHECK(state(Method::lora_sgd) == 0);
  CHECK(state(Method::lora_pro_spectral) == 4 * sizes.adapters);
  CHECK(state(Method::lora_adamw) == 8 * sizes.adapters);
  CHECK(state(Method::lora_pro_full) == 8 * sizes.linear);
  CHECK(state(Method::altlora_plus) == 12 * sizes.adapters);
  CHECK(state(Method::adaprelora) < state(Method::lora_fa));
  CHECK(state(Method::loft) > state(Method::lora_rite));
}

TEST_CASE("operations per token", "[training_cost]") {
  const double flops = llm::flops_per_token(small_config(), small_options(), 256, 1);
  CHECK(flops == Approx(0.82e9).epsilon(0.1));
  auto options = small_options();
  options.checkpointing = false;
  CHECK(llm::flops_per_token(small_config(), options, 256, 1) == Approx(0.59e9).epsilon(0.1));
}

TEST_CASE("more memory than there is, is refused", "[training_cost]") {
  const auto memory =
      llm::training_memory(small_config(), small_options(), Method::lora_adamw, 512);
  CHECK_NOTHROW(llm::check_memory(memory, 1U << 30U));
  CHECK_NOTHROW(llm::check_memory(memory, 0));  // not known
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { llm::check_memory(memory, 100000000); }),
             contains_text("memory: expected a training that fits in the 100.0 MB of this machine, "
                           "got one of 2"));
}

}  // namespace
