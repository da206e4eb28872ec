// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <optional>

#include "data_example.hpp"

namespace examples::llm {

/// Where the parts of a data set are.
struct DataPaths {
  std::filesystem::path train;
  std::optional<std::filesystem::path> valid;
  std::optional<std::filesystem::path> test;
};

/// A file is training data alone; a folder has train, and if it likes valid and test, each with the
/// ending .jsonl or .txt.
/// \throws lorapro::FileError (nothing there), lorapro::FormatError (no train; a part twice).
DataPaths find_data(const std::filesystem::path& path);

/// By its ending .jsonl as read_jsonl, or .txt: a running text in UTF-8.
/// \throws lorapro::FormatError (another ending, invalid UTF-8, an empty text, and as read_jsonl),
/// lorapro::FileError.
DataFile read_data(const std::filesystem::path& path);

}  // namespace examples::llm
