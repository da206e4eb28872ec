// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <zlib.h>  // crc32_z

#include <cstdint>
#include <filesystem>
#include <string>

#include "../nn/model_file.hpp"
#include "text_files.hpp"

// The base that a program pretrains in its first run and takes from a file in later ones.
namespace examples {

/// Whether `path` is a whole file that was written for this recipe.
inline bool holds_pretrained(const std::filesystem::path& path, const std::string& recipe) {
  if (!std::filesystem::exists(path)) return false;
  try {
    return lorapro::io::SafetensorsReader(path).metadata("recipe") == recipe;
  } catch (const lorapro::Error&) {
    return false;  // damaged: it is to be made again
  }
}

/// Writes the model, made as the one-line text `recipe` says.
template <typename Model>
void write_pretrained(const std::filesystem::path& path, const std::string& recipe, Model& model) {
  lorapro::io::SafetensorsWriter file;
  nn::save_parameters(model, file);
  file.set_metadata("recipe", recipe);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  file.write(path);
}

/// A checksum that tells one base from another.
inline std::uint32_t fingerprint(const std::filesystem::path& path) {
  const std::string bytes = read_text(path);
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace examples
