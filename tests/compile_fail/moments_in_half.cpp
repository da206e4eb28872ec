// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: FullMoments: Storage must be the optimizer's Scalar or bfloat16
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Storage = lorapro::bfloat16;
#else
using Storage = lorapro::half;
#endif

template class lorapro::Optimizer<float, lorapro::LoraPro<lorapro::FullMoments<Storage>>>;
