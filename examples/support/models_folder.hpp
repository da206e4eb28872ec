// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>

namespace examples {

/// The folder examples/models.
std::filesystem::path models_folder();

}  // namespace examples
