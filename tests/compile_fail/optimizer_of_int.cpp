// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: Scalar must be float or double
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Scalar = float;
#else
using Scalar = int;
#endif

template class lorapro::Optimizer<Scalar, lorapro::AdamWRule>;
