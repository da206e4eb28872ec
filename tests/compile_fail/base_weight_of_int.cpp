// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: BaseWeight: T must be float, double, bfloat16 or half
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Stored = lorapro::bfloat16;
#else
using Stored = int;
#endif

template class lorapro::BaseWeight<Stored>;
