// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>

/// The folder of the pretrained model stories260K, LORAPRO_STORIES_DIR; empty where none was given,
/// and the tests that need it are skipped.
std::string stories_folder();
