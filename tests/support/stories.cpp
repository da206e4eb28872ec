// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/stories.hpp"

std::string stories_folder() { return LORAPRO_STORIES_DIR; }
