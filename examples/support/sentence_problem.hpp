// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../nn/sentence_encoder_package.hpp"
#include "random.hpp"
#include "wordnet_glosses.hpp"

namespace examples {

/// What to learn from, what to be judged by, and the encoder to start from.
struct SentenceProblem {
  std::string name;
  std::vector<std::string> classes;
  std::vector<Gloss> training;
  std::vector<Gloss> evaluation;
  std::shared_ptr<const nn::UnigramTokenizer> tokenizer;
  std::function<nn::SentenceEncoder<float>()> new_encoder;
  std::uint32_t base_fingerprint = 0;
};

/// The definitions of WordNet in a random order, always the same one: 2,000 for tests, 2,000 for
/// validation, and all others to train on. No two are equal, so none is in two of these.
/// \param folder      of WordNet.
/// \param validation  judge by the validation glosses.
/// \param cache       where the encoder is.
/// \throws DataMissing, DataError as the readers.
inline SentenceProblem read_wordnet_problem(const std::filesystem::path& folder, bool validation,
                                            const std::filesystem::path& cache) {
  constexpr std::size_t kPart = 2000;
  const auto glosses = read_wordnet_glosses(folder);
  if (glosses.size() < 3 * kPart) {
    throw DataError(fmt::format("{}: there are only {} glosses", folder.string(), glosses.size()));
  }
  SentenceProblem problem;
  problem.name = "wordnet";
  problem.classes = {kLexicographerFiles.begin(), kLexicographerFiles.end()};
  RandomEngine engine(20240725);
  const auto order = permutation(static_cast<nn::Index>(glosses.size()), engine);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool in_test = i < kPart, in_validation = !in_test && i < 2 * kPart;
    const Gloss& gloss = glosses[static_cast<std::size_t>(order[i])];
    if (!in_test && !in_validation) problem.training.push_back(gloss);
    if (in_test && !validation) problem.evaluation.push_back(gloss);
    if (in_validation && validation) problem.evaluation.push_back(gloss);
  }
  auto package = std::make_shared<const nn::SentenceEncoderPackage>(
      nn::SentenceEncoderPackage::folder_in(cache));
  problem.tokenizer = {package, &package->tokenizer()};  // keeps the package
  problem.new_encoder = [package] { return package->encoder(); };
  problem.base_fingerprint = package->fingerprint();
  return problem;
}

/// For --smoke: a dozen sentences to train on, some more to be judged by, and a small random
/// encoder over letters.
inline SentenceProblem built_in_problem() {
  SentenceProblem problem;
  problem.name = "built-in";
  problem.classes = {"animal", "food", "motion"};
  problem.training = {{"a small dog with long hair", 0},
                      {"a bird that cannot fly", 0},
                      {"a large wild cat", 0},
                      {"a fish of cold seas", 0},
                      {"bread baked with butter", 1},
                      {"a soup of beans and meat", 1},
                      {"sweet fruit in syrup", 1},
                      {"a hard yellow cheese", 1},
                      {"walk slowly", 2},
                      {"run away fast", 2},
                      {"jump over a fence", 2},
                      {"move along a line", 2}};
  problem.evaluation = {{"a dog of the north", 0}, {"a wild bird", 0}, {"cheese with fruit", 1},
                        {"a sweet bread", 1},      {"walk away", 2},   {"run along a fence", 2}};
  std::vector<nn::Piece> vocabulary(nn::UnigramTokenizer::kReserved, {"?", 0.0});
  vocabulary.push_back({"\xE2\x96\x81", -2.0});
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    vocabulary.push_back({std::string(1, letter), -3.0});
  }
  nn::SentenceEncoderConfig config;
  config.vocabulary = static_cast<nn::Index>(vocabulary.size());
  config.embedding = 16;
  config.width = 32;
  config.hidden = 48;
  problem.tokenizer = std::make_shared<const nn::UnigramTokenizer>(vocabulary);
  problem.new_encoder = [config] {
    nn::SentenceEncoder<float> encoder(config);
    RandomEngine engine(1);
    encoder.randomize(engine);
    return encoder;
  };
  return problem;
}

}  // namespace examples
