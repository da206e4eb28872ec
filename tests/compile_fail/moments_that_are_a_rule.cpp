// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: LoraPro: Moments must be SpectralMoments, FullMoments<Storage>, FactoredMoments
#include <lorapro/lorapro.hpp>

#ifdef LORAPRO_CONTROL
using Moments = lorapro::AdapterMoments;
#else
using Moments = lorapro::AdamWRule;
#endif

using Optimizer = lorapro::LoraProOptimizer<float, Moments>;
void run(Optimizer& optimizer) { (void)optimizer.config(); }
