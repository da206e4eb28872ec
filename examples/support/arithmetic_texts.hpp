// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::min
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../nn/gpt.hpp"
#include "../nn/gpt_text.hpp"
#include "word_problems.hpp"

// Arithmetic as a byte-level GPT reads and writes it.
namespace examples {

// Every text has room for a problem, filled up at its front so that the worked line, at most
// "93+16=901\n", always begins at the same place.
inline constexpr std::size_t kPromptLength = kLongestProblem;
inline constexpr std::size_t kLineLength = 10;

inline std::string prompt_of(std::string_view problem) {
  return std::string(kPromptLength - problem.size(), '\n').append(problem);
}

inline nn::LabelledTokens tokens_of(std::string_view problem, const Sum& sum) {
  return nn::continuation_tokens(prompt_of(problem), worked_line(sum), kPromptLength + kLineLength);
}

/// A sheet of sums one below the other: the model is to predict the results.
inline nn::LabelledTokens plain_sums(const NumberPairs& pairs, Split split, RandomEngine& engine) {
  nn::LabelledTokens sheet;
  std::string text(kPromptLength % kLineLength, '\n');
  std::vector<bool> counts(text.size(), false);
  while (text.size() < kPromptLength + kLineLength) {
    std::string line = worked_line(pairs.draw(split, engine));
    for (std::size_t i = 0; i < kLineLength; ++i) {
      counts.push_back(i > line.find('=') && i < line.size());
    }
    line.resize(kLineLength, '\n');
    text += line;
  }
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    sheet.tokens.push_back(text[i]);
    sheet.labels.push_back(counts[i + 1] ? text[i + 1] : nn::kNoLabel);
  }
  return sheet;
}

/// Two numbers and the sign between them in a text without meaning, from which the model is to make
/// a worked line.
inline nn::LabelledTokens spread_sum(const NumberPairs& pairs, Split split, RandomEngine& engine) {
  constexpr std::string_view kFiller =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ    .,;:";
  const Sum sum = pairs.draw(split, engine);
  const auto filler = [&] {
    std::string text;
    for (std::size_t left = engine() % 10; left > 0; --left) {
      text += kFiller[engine() % kFiller.size()];
    }
    return text;
  };
  std::string text;
  do {
    text = filler() + std::to_string(sum.a) + filler();
    text += sum.operation + filler() + std::to_string(sum.b) + filler();
  } while (text.size() > kPromptLength);
  return tokens_of(text, sum);
}

/// The share of `examples` whose labels are all the most likely ones: those are the examples that
/// the model, left to write on greedily, gets exactly right.
inline double exact_match(nn::Gpt<float>& gpt, const std::vector<nn::LabelledTokens>& examples) {
  constexpr std::size_t kAtOnce = 64;
  std::size_t right = 0;
  for (std::size_t first = 0; first < examples.size(); first += kAtOnce) {
    const std::size_t last = std::min(first + kAtOnce, examples.size());
    const auto batch = nn::make_batch({examples.begin() + static_cast<std::ptrdiff_t>(first),
                                       examples.begin() + static_cast<std::ptrdiff_t>(last)});
    const auto& logits = gpt.forward(batch.tokens, batch.sequences);
    const lorapro::Index length = batch.sequences.length;
    for (lorapro::Index i = 0; i < batch.sequences.count; ++i) {
      bool all = true;
      for (lorapro::Index row = i * length; row < (i + 1) * length; ++row) {
        const int label = batch.labels[static_cast<std::size_t>(row)];
        if (label == nn::kNoLabel) continue;
        lorapro::Index best = 0;
        logits.row(row).maxCoeff(&best);
        all = all && best == label;
      }
      right += all ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(examples.size());
}

}  // namespace examples
