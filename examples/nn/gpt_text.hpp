// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::max, std::min
#include <cmath>      // std::exp
#include <string>
#include <string_view>
#include <vector>

#include "gpt.hpp"

// Text in and out of a byte-level GPT.
namespace examples::nn {

struct Sampling {
  Index length = 200;
  double temperature = 0.8;  // 0 takes the most likely byte
  std::string stop;          // ends the text before its first occurrence; empty: nothing does
};

inline std::vector<int> bytes_of(std::string_view text) {
  std::vector<int> bytes;
  bytes.reserve(text.size());
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

/// Draws an index with probability softmax(logits / temperature).
template <typename Row>
int draw(const Row& logits, double temperature, RandomEngine& engine) {
  Index best = 0;
  const auto largest = static_cast<double>(logits.maxCoeff(&best));
  if (temperature <= 0.0) return static_cast<int>(best);
  std::vector<double> cumulative;
  double sum = 0.0;
  for (Index i = 0; i < logits.size(); ++i) {
    sum += std::exp((static_cast<double>(logits(i)) - largest) / temperature);
    cumulative.push_back(sum);
  }
  const double point = static_cast<double>(uniform(engine, 0.0F, 1.0F)) * sum;
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), point);
  return static_cast<int>(std::min<Index>(found - cumulative.begin(), logits.size() - 1));
}

/// Continues `prompt`, of which the model sees as much of the end as it can; an empty one counts as
/// a line break.
template <typename Scalar>
std::string sample(Gpt<Scalar>& gpt, const std::string& prompt, const Sampling& sampling,
                   RandomEngine& engine) {
  std::vector<int> text = bytes_of(prompt.empty() ? "\n" : prompt);
  std::string continuation;
  while (static_cast<Index>(continuation.size()) < sampling.length) {
    const auto seen =
        std::min<std::size_t>(text.size(), static_cast<std::size_t>(gpt.config().context));
    const std::vector<int> window(text.end() - static_cast<std::ptrdiff_t>(seen), text.end());
    const Sequences sequences{1, static_cast<Index>(seen), {}};
    const auto& logits = gpt.forward(window, sequences);
    text.push_back(draw(logits.row(logits.rows() - 1), sampling.temperature, engine));
    continuation.push_back(static_cast<char>(text.back()));
    if (sampling.stop.empty() || continuation.size() < sampling.stop.size()) continue;
    const auto end = continuation.size() - sampling.stop.size();
    if (continuation.compare(end, sampling.stop.size(), sampling.stop) == 0) {
      continuation.resize(end);
      break;
    }
  }
  return continuation;
}

/// Tokens of one sequence and the labels of those that are to be predicted.
struct LabelledTokens {
  std::vector<int> tokens;
  std::vector<int> labels;
};

/// The model is to predict `continuation` after `prompt`: the end of the prompt and the beginning
/// of the continuation that fit into the context together. A long continuation leaves the prompt
/// at least a quarter of it.
inline LabelledTokens continuation_tokens(std::string_view prompt, std::string_view continuation,
                                          Index context) {
  const auto room = static_cast<std::size_t>(context) + 1;  // the last byte is a label only
  const std::size_t taken = std::min(continuation.size(), room - std::min(prompt.size(), room / 4));
  const std::size_t kept = std::min(prompt.size(), room - taken);
  const std::vector<int> bytes = bytes_of(std::string(prompt.substr(prompt.size() - kept)) +
                                          std::string(continuation.substr(0, taken)));
  LabelledTokens result;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    result.tokens.push_back(bytes[i]);
    result.labels.push_back(i + 1 >= kept ? bytes[i + 1] : kNoLabel);
  }
  return result;
}

/// Sequences of unequal length in one batch, filled up at their ends with tokens without labels.
struct Batch {
  Sequences sequences;
  std::vector<int> tokens;
  std::vector<int> labels;
};

inline Batch make_batch(const std::vector<LabelledTokens>& examples) {
  Batch batch;
  batch.sequences.count = static_cast<Index>(examples.size());
  for (const auto& example : examples) {
    batch.sequences.length =
        std::max(batch.sequences.length, static_cast<Index>(example.tokens.size()));
  }
  const auto length = static_cast<std::size_t>(batch.sequences.length);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    batch.tokens.insert(batch.tokens.end(), examples[i].tokens.begin(), examples[i].tokens.end());
    batch.labels.insert(batch.labels.end(), examples[i].labels.begin(), examples[i].labels.end());
    batch.tokens.resize((i + 1) * length, 0);
    batch.labels.resize((i + 1) * length, kNoLabel);
  }
  return batch;
}

/// log P(labels of the sequence) in nats, for each sequence.
template <typename Scalar>
std::vector<double> log_likelihoods(Gpt<Scalar>& gpt, const Batch& batch) {
  const auto each = log_probabilities(gpt.forward(batch.tokens, batch.sequences), batch.labels);
  const auto length = static_cast<std::size_t>(batch.sequences.length);
  std::vector<double> sums(static_cast<std::size_t>(batch.sequences.count), 0.0);
  for (std::size_t i = 0; i < each.size(); ++i) sums[i / length] += each[i];
  return sums;
}

}  // namespace examples::nn
