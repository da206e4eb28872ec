// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>

/// The folder tests/golden.
std::string golden_folder();
