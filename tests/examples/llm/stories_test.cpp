// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// A real pretrained model against reference values, computed in double by programs of their own.
#include "support/stories.hpp"

#include "examples/llm/llama_adapter.hpp"
#include "examples/llm/llama_files.hpp"
#include "examples/llm/llama_sampler.hpp"

namespace {

using examples::llm::BaseFormat;
using examples::llm::continue_text;
using examples::llm::kNoLabel;
using examples::llm::Llama;
using examples::llm::LlamaOptions;
using examples::llm::load_adapter_into;
using examples::llm::load_llama;
using examples::llm::options_for;
using examples::llm::TokenBatch;
using examples::llm::TokenId;
using lorapro::Index;

const char* const kModelFiles[] = {"stories260K_hf", "stories260K.gguf", "stories260K.bin"};

/// One example whose labels are the ids that follow, the first `masked` left out.
TokenBatch text_batch(const std::vector<TokenId>& ids, std::size_t masked = 0) {
  TokenBatch batch;
  batch.ids.assign(ids.begin(), ids.end() - 1);
  batch.labels.assign(ids.begin() + 1, ids.end());
  std::fill_n(batch.labels.begin(), masked, kNoLabel);
  batch.starts = {0, batch.rows()};
  return batch;
}

template <typename Scalar>
Llama<Scalar> stories_model(const std::string& file, BaseFormat base = BaseFormat::full) {
  LlamaOptions options;
  options.base = base;
  return load_llama<Scalar>(stories_file(file), options);
}

template <typename Scalar>
Llama<Scalar> stories_with_adapter(const std::string& file, const std::string& adapter) {
  const auto tensors = examples::llm::open_model(stories_file(file));
  const auto modules = examples::llm::read_llama_adapter(stories_file(adapter), tensors->config());
  LlamaOptions options;
  options.base = BaseFormat::full;
  Llama<Scalar> model(tensors, options_for(options, modules));
  load_adapter_into(model, modules);
  return model;
}

/// -log of the probability of each label.
template <typename Scalar>
std::vector<double> cross_entropies(Llama<Scalar>& model, const TokenBatch& batch) {
  const Eigen::MatrixXd logits = model.logits(batch).template cast<double>();
  std::vector<double> out;
  for (Index row = 0; row < logits.rows(); ++row) {
    const double largest = logits.row(row).maxCoeff();
    out.push_back(std::log((logits.row(row).array() - largest).exp().sum()) + largest -
                  logits(row, batch.labels[static_cast<std::size_t>(row)]));
  }
  return out;
}

/// Logits after a prompt and the loss of a text, as a reference file has them.
/// \param tolerance  of each token's cross-entropy.
template <typename Scalar>
void check_against(Llama<Scalar>& model, const nlohmann::json& reference, double tolerance) {
  const std::vector<TokenId> prompt = reference["prompt_ids"];
  const TokenBatch batch = text_batch(prompt);
  TokenBatch whole = batch;
  whole.ids = prompt;
  whole.labels.assign(prompt.size(), kNoLabel);
  whole.starts = {0, whole.rows()};
  const auto logits = model.logits(whole);
  for (std::size_t i = 0; i < reference["top10_ids"].size(); ++i) {
    const auto id = reference["top10_ids"][i].get<Index>();
    CHECK(std::abs(static_cast<double>(logits(logits.rows() - 1, id)) -
                   reference["top10_logits"][i].get<double>()) < 1e-4);
  }
  const TokenBatch text = text_batch(reference["text_ids"]);
  const std::vector<double> losses = cross_entropies(model, text);
  REQUIRE(losses.size() == reference["cross_entropy_each"].size());
  for (std::size_t i = 0; i < losses.size(); ++i)
    CHECK(std::abs(losses[i] - reference["cross_entropy_each"][i].get<double>()) < tolerance);
  const auto sum = model.evaluate(text);
  CHECK(sum.labels == 64);
  CHECK(std::abs(sum.loss / 64 - reference["mean_cross_entropy_of_64"].get<double>()) < 1e-6);
}

/// The likeliest tokens after a prompt and after BOS.
void check_greedy(Llama<float>& model, const nlohmann::json& reference) {
  examples::llm::SamplingOptions options;
  options.most = 64;
  const std::vector<TokenId> prompt = reference["prompt_ids"];
  CHECK(continue_text(model, prompt, options) ==
        reference["greedy_after_prompt_64"].get<std::vector<TokenId>>());
  CHECK(continue_text<float>(model, {1}, options) ==
        reference["greedy_after_bos_64"].get<std::vector<TokenId>>());
}

TEST_CASE("a real model gives the reference's logits, losses and text from each format",
          "[llm][stories][may_skip]") {
  const auto reference = stories_json("stories260K_reference.json");
  for (const char* const file : kModelFiles) {
    INFO(file);
    auto model = stories_model<float>(file);
    check_against(model, reference, 1e-5);
    check_greedy(model, reference);
  }
}

// Its reference has the adapter merged into the weights, rounded to float.
TEST_CASE("a real model with an adapter gives the reference's logits, losses and text",
          "[llm][stories][may_skip]") {
  const auto reference = stories_json("stories260K_adapter_reference.json");
  for (const char* const file : kModelFiles)
    for (const char* const adapter : {"stories260K_adapter", "stories260K_adapter.gguf"}) {
      INFO(file << " " << adapter);
      auto model = stories_with_adapter<float>(file, adapter);
      check_against(model, reference, 3e-5);
      check_greedy(model, reference);
    }
}

/// All A and B of the gradient reference, relative to the largest element or the norm.
template <typename Scalar>
void check_gradients(Llama<Scalar>& model) {
  const auto reference = stories_json("stories260K_gradient_reference.json");
  const auto text = stories_json("stories260K_adapter_reference.json");
  const auto sum = model.accumulate_gradients(text_batch(text["text_ids"], 20));
  REQUIRE(sum.labels == 44);
  CHECK(std::abs(sum.loss / 44 - reference["loss_of_the_other_44"].get<double>()) < 1e-5);
  REQUIRE(model.trained().size() == 35);
  for (const auto& layer : model.trained()) {
    INFO(layer.name);
    const auto& expected = reference["gradients"][layer.name];
    const auto check = [&](const auto& grad, const double norm, const nlohmann::json& first) {
      const double mean = 1.0 / 44;
      CHECK(std::abs(static_cast<double>(grad.norm()) * mean - norm) < 1e-5 * norm);
      for (std::size_t i = 0; i < first.size(); ++i)
        CHECK(std::abs(static_cast<double>(grad.data()[i]) * mean - first[i].get<double>()) <
              1e-5 * norm);
    };
    check(layer.pair->grad_A(), expected["norm_A"], expected["A_first"]);
    check(layer.pair->grad_B(), expected["norm_B"], expected["B_first"]);
  }
}

TEST_CASE("a real model gives the reference's gradients from each format",
          "[llm][stories][may_skip]") {
  for (const char* const file : kModelFiles) {
    INFO(file);
    auto model = stories_with_adapter<float>(file, "stories260K_adapter");
    check_gradients(model);
  }
  auto model = stories_with_adapter<double>("stories260K_hf", "stories260K_adapter.gguf");
  check_gradients(model);
}

}  // namespace
