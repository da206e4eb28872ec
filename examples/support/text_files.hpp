// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>  // std::sort
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>  // std::istreambuf_iterator
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "labelled_images.hpp"  // DataMissing, DataError

namespace examples {

/// \throws DataError if it cannot be read.
inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.good() && text.empty()) throw DataError(path.string() + ": cannot be read");
  return text;
}

/// Text as a byte-level model is to see it: typographic quotes and dashes (UTF-8) become ASCII, and
/// whatever else is not ASCII, or is a control character other than a line break or a tab, is left
/// out.
inline std::string plain_text(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kReplacements{{
      {"\xe2\x80\x90", "-"},    // hyphen
      {"\xe2\x80\x91", "-"},    // non-breaking hyphen
      {"\xe2\x80\x93", "-"},    // en dash
      {"\xe2\x80\x94", "--"},   // em dash
      {"\xe2\x80\x98", "'"},    // single quotes
      {"\xe2\x80\x99", "'"},    //
      {"\xe2\x80\x9c", "\""},   // double quotes
      {"\xe2\x80\x9d", "\""},   //
      {"\xe2\x80\xa6", "..."},  // ellipsis
  }};
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if ((byte >= 0x20 && byte != 0x7f) || byte == '\n' || byte == '\t') plain.push_back(text[i]);
      ++i;
      continue;
    }
    std::size_t length = 1;
    for (const auto& [from, to] : kReplacements) {
      if (text.substr(i, from.size()) != from) continue;
      plain += to;
      length = from.size();
    }
    i += length;
  }
  return plain;
}

/// What a model has written, as a terminal can show it.
inline std::string printable(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

/// The files in and below `folder` whose names end in `extension`, in alphabetical order.
/// \throws DataMissing if there is no such folder.
inline std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                                      const std::string& extension) {
  if (!std::filesystem::is_directory(folder)) {
    throw DataMissing(folder.string() + ": there is no such folder");
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().extension() == extension) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace examples
