// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "models_folder.hpp"

namespace examples {

std::filesystem::path models_folder() { return LORAPRO_MODELS_DIR; }

}  // namespace examples
