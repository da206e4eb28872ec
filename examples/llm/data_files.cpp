// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "data_files.hpp"

#include <lorapro/io/file_reader.hpp>
#include <lorapro/io/utf8.hpp>
#include <string>
#include <utility>

#include "jsonl_data.hpp"

namespace examples::llm {

namespace {

using lorapro::FormatError;
namespace fs = std::filesystem;

std::optional<fs::path> part_of(const fs::path& folder, const char* name) {
  std::optional<fs::path> found;
  for (const char* ending : {".jsonl", ".txt"}) {
    fs::path candidate = folder / (std::string(name) + ending);
    if (!fs::exists(candidate)) continue;
    if (found) {
      throw FormatError(folder.string() + ": expected " + found->filename().string() + " or " +
                        candidate.filename().string() + ", got both");
    }
    found = std::move(candidate);
  }
  return found;
}

DataFile read_running_text(const fs::path& path) {
  const lorapro::io::FileReader file(path);
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, text.size(), text.data());
  if (!lorapro::io::is_utf8(text)) {
    throw FormatError(path.string() + ": expected text in UTF-8, got other bytes");
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw FormatError(path.string() + ": expected a text, got none");
  }
  return {path.string(), {{1, RunningText{std::move(text)}}}};
}

}  // namespace

DataPaths find_data(const fs::path& path) {
  if (!fs::exists(path)) {
    throw lorapro::FileError(path.string() + ": expected a file or a folder of data, got none");
  }
  if (!fs::is_directory(path)) return {path, std::nullopt, std::nullopt};
  auto train = part_of(path, "train");
  if (!train) {
    throw FormatError(path.string() +
                      ": expected train.jsonl or train.txt in the folder, got none");
  }
  return {*std::move(train), part_of(path, "valid"), part_of(path, "test")};
}

DataFile read_data(const fs::path& path) {
  if (path.extension() == ".jsonl") return read_jsonl(path);
  if (path.extension() == ".txt") return read_running_text(path);
  throw FormatError(path.string() +
                    ": expected a name that ends in .jsonl (an example in a line) "
                    "or .txt (a running text)");
}

}  // namespace examples::llm
