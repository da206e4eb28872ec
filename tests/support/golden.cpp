// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/golden.hpp"

std::string golden_folder() { return LORAPRO_GOLDEN_DIR; }
