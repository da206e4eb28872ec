// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/namespace.hpp>

#include <Eigen/Core>  // setNbThreads, SimdInstructionSetsInUse
#include <benchmark/benchmark.h>
#include <exception>   // std::exception
#include <functional>  // std::function
#include <string>      // std::string
#include <thread>      // std::thread::hardware_concurrency
#include <utility>     // std::move

namespace bench {

/// Work of one call. `flops` and `bytes` are those of the \cost lines in the headers; the `least_`
/// ones are what no implementation of the same result can avoid, and make the floor.
struct Work {
  double flops = 0;
  double bytes = 0;
  double least_f32 = 0;    ///< flops that can be float
  double least_f64 = 0;    ///< flops that have to be double
  double least_bytes = 0;  ///< of arrays that stream from memory
};

namespace detail {

/// Google Benchmark calls a benchmark again for every repetition and every guess of the number of
/// iterations. The fixture of the last name is kept, or building it would take most of the run.
struct Held {
  std::string name;
  std::function<void()> run;
};

inline Held& held() {
  static Held instance;
  return instance;
}

inline void set_counters(benchmark::State& state, const Work& work) {
  using benchmark::Counter;
  if (work.flops > 0)
    state.counters["GFLOP/s"] = Counter(work.flops / 1e9, Counter::kIsIterationInvariantRate);
  if (work.bytes > 0)
    state.counters["GB/s"] = Counter(work.bytes / 1e9, Counter::kIsIterationInvariantRate);
  // Plain numbers, which the report reads.
  const auto put = [&](const char* name, double value) {
    if (value > 0) state.counters[name] = value;
  };
  put("flops", work.flops);
  put("bytes", work.bytes);
  put("least_f32", work.least_f32);
  put("least_f64", work.least_f64);
  put("least_bytes", work.least_bytes);
}

}  // namespace detail

/// Registers the benchmark `name`.
/// \param make     makes the fixture, a std::function<void()> that is one iteration.
/// \param threads  above 1 the name gets "/threads<n>" and wall time is measured.
template <typename Make>
void add(std::string name, const Work& work, Make make, int threads = 1) {
  if (threads > 1) name += "/threads" + std::to_string(threads);
  const auto measure = [name, work, make, threads](benchmark::State& state) {
    try {
      Eigen::setNbThreads(threads);  // of naive twins and of Eigen's own products
      detail::Held& held = detail::held();
      if (held.name != name) {
        held = {};  // frees the old one before the new one is made
        held.run = make();
        held.run();  // the first call meets cold caches and pages that are not there yet
        held.name = name;
      }
      for (auto iteration : state) {
        (void)iteration;
        held.run();
        benchmark::ClobberMemory();
      }
      detail::set_counters(state, work);
    } catch (const std::exception& error) {
      state.SkipWithError(error.what());
    }
  };
  auto* const registered = benchmark::RegisterBenchmark(name.c_str(), measure);
  registered->Unit(benchmark::kMillisecond);
  if (threads > 1) registered->UseRealTime();
}

/// The numbers of threads to measure: 1, and 2 where the machine has them.
inline int max_threads() {
#ifdef _OPENMP
  return std::thread::hardware_concurrency() > 1 ? 2 : 1;
#else
  return 1;
#endif
}

/// To be called once per file: `const bool registered = bench::add_all([] { bench::add(...); });`.
template <typename Body>
bool add_all(const Body& body) {
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("simd", Eigen::SimdInstructionSetsInUse());
  body();
  return true;
}

}  // namespace bench
