// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdlib>  // std::getenv
#include <filesystem>

namespace examples {

/// The per-user folder for data and pretrained weights; `fallback` where there is none.
inline std::filesystem::path default_cache(const std::filesystem::path& fallback) {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return std::filesystem::path(cache) / "lorapro";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache" / "lorapro";
  }
  return fallback;
}

}  // namespace examples
