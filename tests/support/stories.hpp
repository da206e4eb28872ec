// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/catch.hpp"

/// \file
/// stories260K, a real pretrained model: its folder is the CMake variable LORAPRO_STORIES_DIR.

/// The folder, or nothing.
std::string stories_folder();

/// A file of the folder. Ends a test case, which has the tag [may_skip], where there is no folder.
inline std::string stories_file(const std::string& name) {
  if (stories_folder().empty())
    skip_test("LORAPRO_STORIES_DIR names no folder with the model stories260K");
  return stories_folder() + "/" + name;
}

inline nlohmann::json stories_json(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(stories_file(name)));
}
