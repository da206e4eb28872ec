// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "machine.hpp"

#include <lorapro/core/parallel.hpp>
#include <lorapro/linalg/tiled_product.hpp>
#include <algorithm>  // std::min
#include <chrono>
#include <fstream>

#ifdef __unix__
#include <unistd.h>  // sysconf
#endif

namespace examples::llm {

std::uint64_t machine_memory() {
  std::uint64_t bytes = 0;
#if defined(__unix__) && defined(_SC_PHYS_PAGES)
  const long pages = ::sysconf(_SC_PHYS_PAGES), page = ::sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0) {
    bytes = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  }
#endif
  // Version 2 of control groups, then 1; "max" is no number.
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::uint64_t limit = 0;
    std::ifstream file(path);
    if (file >> limit && limit > 0) bytes = bytes == 0 ? limit : std::min(bytes, limit);
  }
  return bytes;
}

double product_speed(int threads) {
  using Clock = std::chrono::steady_clock;
  using Matrix = lorapro::RowMatrix<float>;
  constexpr Eigen::Index kSize = 768;
  const int count = lorapro::thread_count(threads);
  const Matrix a = Matrix::Random(kSize, kSize), b = Matrix::Random(kSize, kSize);
  Matrix product(kSize, kSize);
  const auto multiply = [&] {
    lorapro::TiledProduct<float>::assign(lorapro::make_view(a),
                                         lorapro::ViewTiles<float>(lorapro::make_view(b)),
                                         lorapro::make_view(product), count);
  };
  multiply();  // the first one is slower
  const auto start = Clock::now();
  int rounds = 0;
  double seconds = 0;
  for (; seconds < 0.1; ++rounds) {
    multiply();
    seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return 2.0 * kSize * kSize * kSize * rounds / seconds;
}

}  // namespace examples::llm
