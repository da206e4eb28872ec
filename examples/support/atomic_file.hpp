// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace examples {

/// Writes `contents` to a temporary name beside `path`, then renames it: whoever reads `path`, even
/// after an interruption, finds the old contents or the new, never half of them.
/// \throws std::runtime_error if it cannot be written; `path` is then untouched.
inline void write_atomically(const std::filesystem::path& path, std::string_view contents) {
  const std::filesystem::path temporary = path.string() + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  if (!file) throw std::runtime_error(temporary.string() + ": cannot be written");
  std::filesystem::rename(temporary, path);
}

}  // namespace examples
