// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: LoraLayer: Base must be Scalar, bfloat16, half or a class of weights
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Stored = lorapro::Nf4Weight;
#else
using Stored = int;
#endif

template class lorapro::LoraLayer<float, Stored>;
