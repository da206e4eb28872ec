// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>

#include "data_example.hpp"

namespace examples::llm {

/// One line of a JSONL file: an object with the keys of one of these formats, and any others, which
/// are not looked at.
///
///     {"text": "..."}
///     {"prompt": "...", "completion": "..."}
///     {"messages": [{"role": "system|user|assistant", "content": "..."}, ...]}
///     {"segments": [{"text": "...", "train": true|false}, ...]}
///
/// \param where  file and line, for messages.
/// \throws lorapro::FormatError: no JSON object, invalid UTF-8, no or two formats, a field of
/// another type, nothing to learn (an empty answer), an unknown role, "tools", no answer at the end.
DataExample parse_example(std::string_view json, Index line, const std::string& where);

/// The lines of a JSONL file, one example in each; empty ones are passed over.
/// \param name  of the file, for messages.
/// \throws lorapro::FormatError: as parse_example; two formats in one file; no example.
/// lorapro::FileError: the stream cannot be read.
DataFile parse_jsonl(std::istream& stream, const std::string& name);

/// \throws as parse_jsonl; lorapro::FileError: the file cannot be opened.
DataFile read_jsonl(const std::filesystem::path& path);

}  // namespace examples::llm
