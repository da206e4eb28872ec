// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#if !defined(__cpp_exceptions) && !defined(_CPPUNWIND)
#error "lorapro reports errors by exceptions: compile without -fno-exceptions"
// Does not exist, and so ends the compilation here: #error alone would be followed by an error for
// each throw of the library.
#include <lorapro_without_exceptions>
#endif

/// \file
/// One inline namespace per instruction set. Two translation units of a program may be compiled for
/// different instruction sets (run-time dispatch does that); inline functions with equal mangled
/// names would then be merged by the linker and the baseline unit could end up running AVX-512
/// code. The inline namespace makes the names differ. OpenMP changes the parallel loop, so it is
/// part of the name for the same reason. Translation units that leave rules to the library
/// lorapro::compiled have one name with it, whatever they are compiled for: the library keeps apart
/// what it has for each instruction set.

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define LORAPRO_ISA_TAG avx512
#elif defined(__AVX512F__)
#define LORAPRO_ISA_TAG avx512f
#elif defined(__AVX2__) && defined(__FMA__)
#define LORAPRO_ISA_TAG avx2_fma
#elif defined(__AVX2__)
#define LORAPRO_ISA_TAG avx2
#elif defined(__AVX__)
#define LORAPRO_ISA_TAG avx
#elif defined(__SSE4_1__)
#define LORAPRO_ISA_TAG sse4
#elif defined(__ARM_NEON)
#define LORAPRO_ISA_TAG neon
#else
#define LORAPRO_ISA_TAG baseline
#endif

#define LORAPRO_CONCAT_EXPANDED(a, b) a##b
#define LORAPRO_CONCAT(a, b) LORAPRO_CONCAT_EXPANDED(a, b)
#ifdef LORAPRO_COMPILED
#define LORAPRO_ISA_NAMESPACE compiled
#elif defined(_OPENMP)
#define LORAPRO_ISA_NAMESPACE LORAPRO_CONCAT(LORAPRO_ISA_TAG, _openmp)
#else
#define LORAPRO_ISA_NAMESPACE LORAPRO_ISA_TAG
#endif

#define LORAPRO_NAMESPACE_BEGIN \
  namespace lorapro {           \
  inline namespace LORAPRO_ISA_NAMESPACE {
#define LORAPRO_NAMESPACE_END \
  }                           \
  }
