// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::any_of
#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "labelled_images.hpp"

namespace examples {

/// The lexicographer files of the nouns (3 to 28) and verbs (29 to 43) of WordNet, in order.
inline constexpr std::array<std::string_view, 41> kLexicographerFiles{
    "noun.Tops",       "noun.act",           "noun.animal",      "noun.artifact",
    "noun.attribute",  "noun.body",          "noun.cognition",   "noun.communication",
    "noun.event",      "noun.feeling",       "noun.food",        "noun.group",
    "noun.location",   "noun.motive",        "noun.object",      "noun.person",
    "noun.phenomenon", "noun.plant",         "noun.possession",  "noun.process",
    "noun.quantity",   "noun.relation",      "noun.shape",       "noun.state",
    "noun.substance",  "noun.time",          "verb.body",        "verb.change",
    "verb.cognition",  "verb.communication", "verb.competition", "verb.consumption",
    "verb.contact",    "verb.creation",      "verb.emotion",     "verb.motion",
    "verb.perception", "verb.possession",    "verb.social",      "verb.stative",
    "verb.weather"};

/// What a set of synonyms means, and the place of its lexicographer file in kLexicographerFiles.
struct Gloss {
  std::string text;
  int label = 0;
};

/// The definition in a gloss: what stands before the first example, which is in quotes.
inline std::string definition(std::string_view gloss) {
  std::string_view text = gloss.substr(0, gloss.find('"'));
  const auto last = text.find_last_not_of(" ;:\r");
  const auto first = text.find_first_not_of(' ');
  if (last == std::string_view::npos || first > last) return {};
  return std::string(text.substr(first, last + 1 - first));
}

/// Appends the glosses of a file of WordNet 3 (data.noun or data.verb). A line of it is
/// "offset file type ... | gloss", where file is the two-digit number of the lexicographer file;
/// the lines of the licence begin with two spaces. Of equal definitions the first is kept, and
/// those of fewer than two characters are left out.
/// \throws DataMissing if there is no such file; DataError if a line is not as described.
inline void read_wordnet(const std::filesystem::path& path, std::vector<Gloss>& glosses,
                         std::unordered_set<std::string>& seen) {
  constexpr std::size_t kMaxLine = std::size_t{1} << 16;
  constexpr std::size_t kMaxLines = std::size_t{1} << 20;
  std::ifstream file(path);
  if (!file) throw DataMissing("there is no " + path.string());
  std::size_t number = 0;
  std::string line;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  while (std::getline(file, line)) {
    ++number;
    const auto fail = [&](const char* what) {
      throw DataError(path.string() + ": line " + std::to_string(number) + " " + what);
    };
    if (number > kMaxLines || line.size() > kMaxLine) fail("is too much for WordNet");
    if (std::any_of(line.begin(), line.end(), [](char c) { return c <= 0 || c > 126; }))
      fail("is not ASCII");
    if (line.compare(0, 2, "  ") == 0) continue;
    const auto bar = line.find(" | ");
    if (line.size() < 12 || line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) ||
        line[11] != ' ' || bar == std::string::npos) {
      fail("is not \"offset file type ... | gloss\"");
    }
    const int label = (line[9] - '0') * 10 + (line[10] - '0') - 3;
    if (label < 0 || label >= static_cast<int>(kLexicographerFiles.size())) {
      fail("is of a lexicographer file that is not of nouns or verbs");
    }
    std::string text = definition(std::string_view(line).substr(bar + 3));
    if (text.size() < 2 || !seen.insert(text).second) continue;
    glosses.push_back({std::move(text), label});
  }
  if (number == 0) throw DataError(path.string() + ": is empty or cannot be read");
}

/// The definitions of data.noun and data.verb in `folder`, in the order of the files.
inline std::vector<Gloss> read_wordnet_glosses(const std::filesystem::path& folder) {
  std::vector<Gloss> glosses;
  std::unordered_set<std::string> seen;
  for (const char* name : {"data.noun", "data.verb"}) read_wordnet(folder / name, glosses, seen);
  return glosses;
}

}  // namespace examples
