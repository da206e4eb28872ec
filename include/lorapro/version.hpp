// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// Version of the library; the build system reads it from here.
#define LORAPRO_VERSION_MAJOR 0
#define LORAPRO_VERSION_MINOR 1
#define LORAPRO_VERSION_PATCH 0
