// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <string>

// The folder is known to one file, so that a compiler's cache serves all copies of the tree.
std::string stories_folder() { return LORAPRO_STORIES_DIR; }
