// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/file_kind.hpp>

#include "gguf_tokenizer.hpp"
#include "llama2c_tokenizer.hpp"
#include "sentencepiece_model.hpp"
#include "tokenizer_config.hpp"
#include "tokenizer_json.hpp"

namespace examples::llm {

namespace {

namespace fs = std::filesystem;

/// No tokenizer's file is larger; a GGUF file, which has the model too, may be.
constexpr std::uint64_t kLargest = std::uint64_t{64} << 20U;

std::string read_whole(const lorapro::io::FileReader& file) {
  std::string bytes(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, bytes.size(), bytes.data());
  return bytes;
}

bool is_gguf(const lorapro::io::FileReader& file) {
  constexpr std::string_view kMagic = lorapro::io::detail::kGgufMagic;
  std::string first(kMagic.size(), '\0');
  if (file.size() < first.size()) return false;
  file.read(0, first.size(), first.data());
  return first == kMagic;
}

BpeParts read_gguf(const lorapro::io::FileReader& file) {
  std::string copy;
  const unsigned char* bytes = file.mapped();
  if (bytes == nullptr) {
    copy = read_whole(file);
    bytes = reinterpret_cast<const unsigned char*>(copy.data());
  }
  return read_gguf_tokenizer(lorapro::io::GgufReader(bytes, file.size(), file.path().string()));
}

/// What kind of tokenizer a file is, by its first bytes.
BpeParts read_parts(const fs::path& path) {
  const std::string name = path.string();
  const lorapro::io::FileReader file(path);
  if (is_gguf(file)) return read_gguf(file);
  if (file.size() > kLargest)
    throw lorapro::FormatError(name + ": expected a tokenizer of at most 64 MiB, got " +
                               std::to_string(file.size()) + " bytes");
  const std::string bytes = read_whole(file);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && bytes[first] == '{';
  // Field 1, the first piece, and its length. llama2.c's file begins with a small int32.
  const bool is_sentencepiece = bytes.size() > 1 && bytes[0] == '\n' && bytes[1] != '\0';
  if (!is_json && !is_sentencepiece) {
    const std::string kind = lorapro::io::detail::kind_of_file(
        std::string_view(bytes).substr(0, lorapro::io::detail::kKindBytes));
    if (!kind.empty())
      throw lorapro::FormatError(name +
                                 ": expected tokenizer.json, tokenizer.model, a GGUF file or "
                                 "llama2.c's tokenizer, got " +
                                 kind);
    return parse_llama2c_tokenizer(bytes, name);
  }
  BpeParts parts =
      is_json ? parse_tokenizer_json(bytes, name) : parse_sentencepiece_model(bytes, name);
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
