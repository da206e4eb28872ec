// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/file_reader.hpp>

#include <algorithm>    // std::all_of
#include <array>        // std::array
#include <string>       // std::string
#include <string_view>  // std::string_view

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

inline constexpr std::size_t kKindBytes = 512;  // of a file, by which it is told what it is

inline constexpr const char* kSafetensorsKind = "a safetensors file";
inline constexpr const char* kJsonKind = "JSON text";

/// Files that are told by their first bytes.
struct FileSignature {
  std::string_view bytes;
  const char* kind;
};

using namespace std::string_view_literals;

inline constexpr std::array<FileSignature, 12> kFileSignatures{
    {{"version https://git-lfs"sv,
      "a pointer of git LFS, which stands for the file (git lfs pull fetches it)"},
     {"/annex/objects/"sv,
      "a pointer of git-annex, which stands for the file (git annex get fetches it)"},
     {"PK\x03\x04"sv, "a zip archive"},
     {"PK\x05\x06"sv, "an empty zip archive"},
     {"GGUF"sv, "a GGUF file"},
     {"\x1f\x8b"sv, "a gzip archive"},
     {"BZh"sv, "a bzip2 archive"},
     {"\xfd"
      "7zXZ\0"sv,
      "an xz archive"},
     {"\x28\xb5\x2f\xfd"sv, "a zstd archive"},
     {"7z\xbc\xaf\x27\x1c"sv, "a 7z archive"},
     {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
     {"\x93NUMPY"sv, "an array of NumPy"}}};

inline bool begins_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// The same, `prefix` in lower case and ASCII, whatever the case of `text`.
inline bool begins_with_any_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char wanted, char came) {
           return wanted ==
                  (came >= 'A' && came <= 'Z' ? static_cast<char>(came - 'A' + 'a') : came);
         });
}

/// Whether these are 8 bytes of a length that is not absurd, and the '{' of a safetensors header.
inline bool is_safetensors(std::string_view bytes) {
  return bytes.size() > 8 && bytes.substr(4, 4) == "\0\0\0\0"sv && bytes[8] == '{';
}

/// What text is, white space and a byte order mark in front of it passed by; empty for other bytes.
inline std::string kind_of_text(std::string_view bytes) {
  if (begins_with(bytes, "\xef\xbb\xbf")) bytes.remove_prefix(3);
  const auto first = bytes.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return bytes.empty() ? "" : "white space";
  bytes.remove_prefix(first);
  for (const std::string_view tag : {"<!doctype html"sv, "<html"sv, "<head"sv, "<body"sv})
    if (begins_with_any_case(bytes, tag)) return "an HTML page";
  if (begins_with(bytes, "<?xml")) return "an XML document";
  const bool is_text = std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\r' || c == '\n';
  });
  if (!is_text) return "";
  if (bytes.front() == '{' || bytes.front() == '[') return kJsonKind;
  constexpr std::size_t kShown = 40;
  const std::string_view line = bytes.substr(0, (std::min)(kShown, bytes.find('\n')));
  const bool is_ascii = std::all_of(line.begin(), line.end(), [](char c) { return c > 0; });
  return is_ascii ? "text that begins with " + quoted_name(line) : "";
}

/// A name for what a file is that is not what was expected, from its first bytes (kKindBytes or
/// all of them): "a zip archive", "an HTML page"; empty where that cannot be told.
inline std::string kind_of_file(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  if (is_safetensors(bytes)) return kSafetensorsKind;
  // PyTorch's files: zip archives of a pickle, or one alone. The length of a safetensors header may
  // begin with the same two bytes, but not go on with other ones than 0.
  const char* const pickle = "a pickle, which runs code when it is read";
  if (begins_with(bytes, "PK\x03\x04") && bytes.find("data.pkl") != std::string_view::npos)
    return std::string("PyTorch's zip archive of ") + pickle;
  if (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5 &&
      bytes.substr(2, 6).find_first_not_of('\0') != std::string_view::npos &&
      (bytes.size() < 8 || bytes.substr(4, 4) != "\0\0\0\0"sv))
    return pickle;
  for (const FileSignature& signature : kFileSignatures)
    if (begins_with(bytes, signature.bytes)) return signature.kind;
  if (bytes.size() >= 262 && bytes.substr(257, 5) == "ustar") return "a tar archive";
  if (bytes.find_first_not_of('\0') == std::string_view::npos) return "nothing but zero bytes";
  return kind_of_text(bytes);
}

/// The same of a file that is open.
inline std::string kind_of_file(const FileReader& file) {
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(kKindBytes, file.size())),
                    '\0');
  file.read(0, bytes.size(), bytes.data());
  return kind_of_file(std::string_view(bytes));
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
