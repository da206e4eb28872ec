// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/llama.hpp"

#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/optimizer.hpp>

#include "support/gradients.hpp"
#include "support/message_of.hpp"
#include "support/tiny_llama.hpp"

namespace {

using examples::llm::BaseFormat;
using examples::llm::RopeConfig;
using namespace tiny_llama;

/// Configurations that have every option between them.
std::vector<std::pair<std::string, LlamaConfig>> kinds_of_models() {
  LlamaConfig llama = config();
  llama.qkv_bias = llama.output_bias = llama.mlp_bias = true;
  llama.rope.kind = RopeConfig::Kind::llama3;
  llama.rope.theta = 30;
  llama.rope.factor = 8;
  llama.rope.original_positions = 12;  // waves on both sides of the ramp, and on it
  LlamaConfig qwen2 = config();
  qwen2.architecture = "qwen2";
  qwen2.kv_heads = 4;
  qwen2.qkv_bias = qwen2.tied_embeddings = true;
  LlamaConfig qwen3 = config();
  qwen3.architecture = "qwen3";
  qwen3.kv_heads = 1;
  qwen3.head_dim = 6;
  qwen3.qk_norm = true;
  qwen3.rope.kind = RopeConfig::Kind::linear;
  qwen3.rope.factor = 2;
  return {{"llama", llama}, {"qwen2", qwen2}, {"qwen3", qwen3}};
}

TEST_CASE("gradients of every kind of model are those of central differences", "[llm][llama]") {
  const double dropout = GENERATE(0.0, 0.3);
  for (const auto& [name, kind] : kinds_of_models()) {
    LlamaOptions with = options();
    with.lora.lora_dropout = dropout;
    auto model = tiny_llama::model<double>(kind, with);
    const TokenBatch examples = batch(kind, {6, 1, 9});
    const auto loss = [&] {
      model.set_dropout_masks(7);
      return model.accumulate_gradients(examples).loss;
    };
    loss();
    REQUIRE(model.trained().size() == 14);
    for (const auto& layer : model.trained()) {
      const lorapro::RowMatrix<double> grad_A = layer.pair->grad_A(), grad_B = layer.pair->grad_B();
      auto A = layer.pair->lora_A(), B = layer.pair->lora_B();
      for (const auto& [values, grad] : {std::pair{&A, &grad_A}, std::pair{&B, &grad_B}}) {
        INFO(name << " " << layer.name << " dropout " << dropout);
        const double scale = std::max(grad->cwiseAbs().maxCoeff(), 1e-2);
        for (Index k = 1; k < grad->size(); k += grad->size() / 2) {
          const double expected = support::difference(values->data()[k], loss);
          CHECK(std::abs(grad->data()[k] - expected) <= 1e-8 * scale);
        }
      }
      model.zero_grad();
      loss();
    }
  }
}

TEST_CASE("packed examples give what they give apart", "[llm][llama]") {
  for (const auto& [name, kind] : kinds_of_models()) {
    INFO(name);
    auto model = tiny_llama::model<double>(kind, options());
    const std::vector<Index> lengths = {5, 1, 8};
    const TokenBatch together = batch(kind, lengths);
    const auto sum = model.accumulate_gradients(together);
    const auto logits = model.logits(together);
    const auto packed = gradients(model);
    model.zero_grad();
    examples::llm::LossSum apart;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const auto first = together.starts[i], last = together.starts[i + 1];
      TokenBatch one;
      one.ids.assign(together.ids.begin() + first, together.ids.begin() + last);
      one.labels.assign(together.labels.begin() + first, together.labels.begin() + last);
      one.starts = {0, lengths[i]};
      const auto part = model.accumulate_gradients(one);
      apart.loss += part.loss;
      apart.labels += part.labels;
      CHECK((model.logits(one) - logits.middleRows(first, lengths[i])).cwiseAbs().maxCoeff() <
            1e-12);
    }
    CHECK(apart.labels == sum.labels);
    CHECK(std::abs(apart.loss - sum.loss) < 1e-11);
    const auto separate = gradients(model);
    double worst = 0;
    for (std::size_t i = 0; i < packed.size(); ++i)
      worst = std::max(worst, std::abs(packed[i] - separate[i]));
    CHECK(worst < 1e-11);
  }
}

/// Gradients and losses of two micro-batches.
std::pair<std::vector<float>, double> two_batches(const LlamaConfig& kind, LlamaOptions with) {
  with.lora.lora_dropout = 0.1;
  auto model = tiny_llama::model<float>(kind, with);
  double loss = model.accumulate_gradients(batch(kind, {70, 30})).loss;
  loss += model.accumulate_gradients(batch(kind, {90})).loss;
  return {gradients(model), loss};
}

TEST_CASE("checkpointing and threads change no bit", "[llm][llama]") {
  for (auto [name, kind] : kinds_of_models()) {
    INFO(name);
    kind.hidden_size = 64;  // for products that are worth a team of threads
    kind.intermediate_size = 128;
    const auto expected = two_batches(kind, options());
    LlamaOptions other = options();
    other.checkpointing = false;
    CHECK(two_batches(kind, other) == expected);
    other.threads = 3;
    CHECK(two_batches(kind, other) == expected);
    other.checkpointing = true;
    CHECK(two_batches(kind, other) == expected);
  }
}

TEST_CASE("only the last layers can be trained, and only some linear layers", "[llm][llama]") {
  LlamaOptions with = options();
  with.last_layers = 1;
  with.targets = {"q_proj", "down_proj"};
  auto model = tiny_llama::model<double>(config(), with);
  REQUIRE(model.trained().size() == 2);
  CHECK(model.trained()[0].name == "model.layers.1.self_attn.q_proj");
  CHECK(model.trained()[1].name == "model.layers.1.mlp.down_proj");
  const TokenBatch examples = batch(config(), {6, 4});
  model.accumulate_gradients(examples);
  for (const auto& layer : model.trained()) {
    INFO(layer.name);
    const double grad = layer.pair->grad_A()(1, 1);
    CHECK(std::abs(grad - support::difference(layer.pair->lora_A().coeffRef(1, 1), [&] {
                     return model.evaluate(examples).loss;
                   })) < 1e-9);
  }
}

TEST_CASE("targets can have ranks of their own in a model", "[llm][llama]") {
  LlamaOptions with = options();
  with.targets = {"q_proj", "down_proj"};
  with.rank_pattern = {{"down_proj", 5}};
  const auto model = tiny_llama::model<double>(config(), with);
  REQUIRE(model.trained().size() == 4);
  for (const auto& layer : model.trained()) {
    const bool is_down = layer.name.find("down_proj") != std::string::npos;
    CHECK(layer.pair->rank() == (is_down ? 5 : 3));
    CHECK(layer.pair->scaling() == Approx(is_down ? 6.0 / 5 : 2));
  }
}

TEST_CASE("each base format is near the full one and gives gradients", "[llm][llama]") {
  const TokenBatch examples = batch(config(), {12, 12});
  auto full = tiny_llama::model<float>(config(), options());
  const double expected = full.evaluate(examples).loss;
  for (const auto& [format, tolerance] :
       {std::pair{BaseFormat::bf16, 0.02}, {BaseFormat::int8, 0.05}, {BaseFormat::nf4, 0.3}}) {
    LlamaOptions with = options();
    with.base = format;
    auto model = tiny_llama::model<float>(config(), with);
    const auto sum = model.accumulate_gradients(examples);
    CHECK(std::abs(sum.loss - expected) < tolerance * expected);
    CHECK(std::abs(sum.loss - model.evaluate(examples).loss) < 1e-4);
    for (const auto& layer : model.trained()) {
      CHECK(layer.pair->grad_A().norm() > 0);
      CHECK(layer.pair->grad_B().norm() > 0);
    }
    CHECK(model.base_bytes() < full.base_bytes());
  }
}

TEST_CASE("an optimizer that is attached by views lowers the loss", "[llm][llama]") {
  auto model = tiny_llama::model<float>(config(), options());
  lorapro::OptimizerConfig config_of;
  config_of.group.lr = 1e-2;
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer(config_of);
  for (const auto& layer : model.trained()) optimizer.attach(layer.pair->view(), {}, layer.name);
  const TokenBatch examples = batch(config(), {10, 10});
  const double before = model.evaluate(examples).loss;
  for (int step = 0; step < 20; ++step) {
    const auto sum = model.accumulate_gradients(examples);
    REQUIRE(optimizer.step({static_cast<double>(sum.labels), 1}).updated == 14);
    optimizer.zero_grad();
  }
  CHECK(model.evaluate(examples).loss < 0.8 * before);
}

TEST_CASE("batches that are none are refused and change nothing", "[llm][llama]") {
  LlamaOptions with = options();
  with.max_length = 4;
  auto model = tiny_llama::model<float>(config(), with);
  const auto refused = [&](const TokenBatch& wrong, const std::string& message) {
    CHECK_THAT(message_of<lorapro::ConfigError>([&] { model.accumulate_gradients(wrong); }),
               contains_text(message));
  };
  TokenBatch wrong = batch(config(), {3, 2});
  wrong.ids[1] = 37;
  refused(wrong, "token: expected one below 37, the size of the vocabulary, got 37");
  wrong = batch(config(), {3, 2});
  wrong.labels[1] = -2;
  refused(wrong, "label: expected one below 37");
  refused(batch(config(), {5}), "expected examples of 1 to 4 tokens, got one of 5");
  wrong = batch(config(), {3, 2});
  wrong.starts[1] = 0;
  refused(wrong, "got one of 0");
  wrong.starts = {0, 3};
  refused(wrong, "starts: expected 0 first and the number of rows last");
  wrong = batch(config(), {3});
  wrong.labels.pop_back();
  refused(wrong, "expected a label for each of 3 tokens, got 2");
  CHECK(model.dropout_masks() == 0);
  for (const float grad : gradients(model)) REQUIRE(grad == 0);
}

TEST_CASE("tensors that are missing, misshapen or left over are refused by name", "[llm][llama]") {
  const auto refused = [](const auto& change, const std::string& message) {
    auto tensors = std::make_shared<RandomTensors>(config());
    change(tensors->shapes_to_change());
    CHECK_THAT(message_of<lorapro::FormatError>([&] { Llama<float>(tensors, options()); }),
               contains_text(message));
  };
  refused([](auto& shapes) { shapes.erase("model.layers.1.mlp.up_proj.weight"); },
          "model.layers.1.mlp.up_proj.weight\": expected the shape (24, 16), got no such tensor");
  refused([](auto& shapes) { shapes["model.norm.weight"] = {17}; },
          "model.norm.weight\": expected the shape (16), got (17)");
  refused([](auto& shapes) { shapes["model.layers.0.self_attn.q_proj.bias"] = {16}; },
          "model.layers.0.self_attn.q_proj.bias\": expected none of this name");
  auto tensors = std::make_shared<RandomTensors>(config());
  tensors->shapes_to_change()["model.layers.0.self_attn.rotary_emb.inv_freq"] = {2};
  CHECK_NOTHROW(Llama<float>(tensors, options()));
}

TEST_CASE("options that do not fit a model are refused", "[llm][llama]") {
  const auto refused = [](const LlamaOptions& wrong, LlamaConfig kind, const std::string& message) {
    CHECK_THAT(message_of<lorapro::ConfigError>(
                   [&] { Llama<float>(std::make_shared<RandomTensors>(kind), wrong); }),
               contains_text(message));
  };
  LlamaOptions wrong = options();
  wrong.targets = {"lm_head"};
  refused(wrong, config(), "as embeddings and head stay frozen, got \"lm_head\"");
  wrong = options();
  wrong.targets = {"q_proj"};
  wrong.rank_pattern = {{"k_proj", 4}};
  refused(wrong, config(), "rank_pattern: expected targets, got \"k_proj\"");
  wrong.rank_pattern = {{"q_proj", 0}};
  refused(wrong, config(), "rank: expected");
  wrong = options();
  wrong.last_layers = 3;
  refused(wrong, config(), "last_layers: expected 0 to 2, got 3");
  LlamaConfig window = config();
  window.sliding_window = 256;
  refused(options(), window, "max_length: expected at most 256, the sliding window");
  wrong = options();
  wrong.pairs["model.layers.2.mlp.up_proj"] = {};
  refused(wrong, config(), "expected linear layers that the model has");
  CHECK(examples::llm::base_format_named("int8") == BaseFormat::int8);
  CHECK_THROWS_AS(examples::llm::base_format_named("q4"), lorapro::ConfigError);
}

}  // namespace
