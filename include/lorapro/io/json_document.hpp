// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/file_kind.hpp>

#include <set>     // std::set
#include <vector>  // std::vector

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// JSON text as a document, with the rules that parsers leave open: a key stands once in its
/// object, nesting is at most 32 deep, and the outermost value is an object. \tparam Json
/// nlohmann::json, or nlohmann::ordered_json, whose objects look keys up one by one:
///               these have at most 2^16.
/// \param name   of the file, for messages.
/// \throws FormatError.
template <typename Json>
Json parse_document(std::string_view text, const std::string& name) {
  constexpr int kDeepest = 32;
  constexpr std::size_t kMostKeys = std::is_same_v<Json, nlohmann::ordered_json> ? 1U << 16U : ~0U;
  std::vector<std::set<std::string>> keys;
  const auto fail = [&](const std::string& problem) { throw FormatError(name + ": " + problem); };
  const auto check = [&](int depth, typename Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start:
        keys.emplace_back();
        [[fallthrough]];
      case Json::parse_event_t::array_start:
        if (depth >= kDeepest) fail("expected JSON nested at most 32 deep, got more");
        break;
      case Json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case Json::parse_event_t::key: {
        const auto& key = parsed.template get_ref<const std::string&>();
        if (!keys.back().insert(key).second)
          fail("key " + detail::quoted_name(key) + ": expected one entry, got two");
        if (keys.back().size() > kMostKeys) fail("expected at most 65536 keys, got more");
        break;
      }
      default:
        break;
    }
    return true;
  };
  Json document;
  try {
    document = Json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::exception& error) {
    const std::string kind = detail::kind_of_file(text.substr(0, detail::kKindBytes));
    if (!kind.empty() && kind != detail::kJsonKind) fail("expected JSON, got " + kind);
    fail("expected JSON in UTF-8 (" + std::string(error.what()) + ")");
  }
  if (!document.is_object()) fail("expected a JSON object, got something else");
  return document;
}

/// As above, from a file of at most 64 MiB. \throws FormatError, FileError.
template <typename Json>
Json read_document(const std::filesystem::path& path) {
  constexpr std::uint64_t kLargest = std::uint64_t{64} << 20;
  const FileReader file(path);
  if (file.size() > kLargest)
    throw FormatError(path.string() + ": expected at most 64 MiB of JSON, got " +
                      std::to_string(file.size()) + " bytes");
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, text.size(), text.data());
  return parse_document<Json>(text, path.string());
}

}  // namespace io
LORAPRO_NAMESPACE_END
