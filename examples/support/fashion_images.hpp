// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <lorapro/core/numeric.hpp>
#include <algorithm>  // std::min
#include <filesystem>
#include <string>
#include <vector>

#include "classification_scores.hpp"
#include "idx_images.hpp"
#include "labelled_images.hpp"

namespace examples {

/// Maps grey values to about zero mean and unit variance (those of Fashion-MNIST).
inline void standardize(LabelledImages& images) {
  images.pixels = (images.pixels.array() - 0.286F) / 0.353F;
}

/// Classes first_class to last_class of "train" or "t10k", standardized.
/// \throws DataMissing, DataError.
inline LabelledImages read_fashion_images(const std::filesystem::path& folder,
                                          const std::string& part, int first_class,
                                          int last_class) {
  auto images = read_idx_images(folder / (part + "-images-idx3-ubyte.gz"),
                                folder / (part + "-labels-idx1-ubyte.gz"), first_class, last_class);
  if (images.pixels.cols() != 28 * 28) {
    throw DataError(folder.string() + ": images are not 28 x 28");
  }
  standardize(images);
  return images;
}

/// The share of the first `count` images that the model assigns to the right class.
template <typename Model>
double accuracy_on(Model& model, const LabelledImages& images, lorapro::Index count) {
  constexpr lorapro::Index kChunk = 256;
  std::vector<int> predictions;
  for (lorapro::Index first = 0; first < count; first += kChunk) {
    const auto chunk = slice(images, first, std::min(kChunk, count - first));
    append_predictions(model.forward(chunk.pixels), predictions);
  }
  return accuracy(predictions, {images.labels.begin(), images.labels.begin() + count});
}

}  // namespace examples
