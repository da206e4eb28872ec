// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/file_reader.hpp>

#include "llama2c_tokenizer.hpp"
#include "tokenizer_config.hpp"
#include "tokenizer_json.hpp"

namespace examples::llm {

namespace {

namespace fs = std::filesystem;

/// No tokenizer's file is larger; a GGUF file, which has the model too, may be.
constexpr std::uint64_t kLargest = std::uint64_t{64} << 20U;

std::string read_whole(const fs::path& path) {
  const lorapro::io::FileReader file(path);
  if (file.size() > kLargest)
    throw lorapro::FormatError(path.string() + ": expected a tokenizer of at most 64 MiB, got " +
                               std::to_string(file.size()) + " bytes");
  std::string bytes(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, bytes.size(), bytes.data());
  return bytes;
}

BpeParts read_parts(const fs::path& path) {
  const std::string bytes = read_whole(path);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  BpeParts parts;
  if (first != std::string::npos && bytes[first] == '{') {
    parts = parse_tokenizer_json(bytes, path.string());
  } else {
    return parse_llama2c_tokenizer(bytes, path.string());
  }
  read_tokenizer_config(path.parent_path(), parts);
  return parts;
}

/// The file of a tokenizer in a folder.
fs::path file_in(const fs::path& folder) {
  for (const char* const name : {"tokenizer.json", "tokenizer.model", "tokenizer.bin"})
    if (fs::exists(folder / name)) return folder / name;
  throw lorapro::FileError(folder.string() +
                           ": expected a folder with tokenizer.json or tokenizer.model, got "
                           "neither");
}

}  // namespace

std::unique_ptr<Tokenizer> load_tokenizer(const std::string& path) {
  const fs::path file = fs::is_directory(path) ? file_in(path) : fs::path(path);
  return std::make_unique<BpeTokenizer>(read_parts(file));
}

}  // namespace examples::llm
