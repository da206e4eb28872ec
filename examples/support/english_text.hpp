// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "text_files.hpp"

namespace examples {

struct EnglishText {
  std::vector<std::string> training;  // a text each
  std::vector<std::string> held_out;
};

/// The State of the Union addresses and Moby-Dick, as examples/data/text.sh has fetched them; every
/// twentieth file of each is held out.
/// \param cache  the folder that the script got. \throws DataMissing, DataError.
inline EnglishText read_english_text(const std::filesystem::path& cache) {
  EnglishText text;
  for (const char* name : {"sotu", "moby-dick"}) {
    std::size_t number = 0;
    for (const auto& file : files_below(cache / "text" / name, ".txt")) {
      const std::string stem = file.stem().string();
      if (stem == "data" || stem == "contents") continue;  // what the other files have already
      auto& part = ++number % 20 == 0 ? text.held_out : text.training;
      part.push_back(plain_text(read_text(file)));
    }
  }
  return text;
}

}  // namespace examples
