// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/numeric.hpp>

#ifdef _OPENMP
#include <omp.h>  // omp_get_max_threads, omp_get_thread_num
#endif

LORAPRO_NAMESPACE_BEGIN

/// Threads that a request for `threads` gets: 1 without OpenMP, all for 0.
inline int thread_count(int threads) {
#ifdef _OPENMP
  return threads > 0 ? threads : omp_get_max_threads();
#else
  (void)threads;
  return 1;
#endif
}

/// Calls body(index, thread) for index = 0 .. count - 1. Bodies must be independent and must not
/// throw. `thread` is below thread_count(threads) and serves to pick a workspace only: what a body
/// computes must not depend on it, so that results do not depend on the number of threads.
template <typename Body>
void parallel_for(int threads, Index count, const Body& body) {
#ifdef _OPENMP
  if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (Index index = 0; index < count; ++index) body(index, omp_get_thread_num());
    return;
  }
#endif
  (void)threads;
  for (Index index = 0; index < count; ++index) body(index, 0);
}

LORAPRO_NAMESPACE_END
