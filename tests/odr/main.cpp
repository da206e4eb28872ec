// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

std::vector<double> LORAPRO_FIRST();
std::vector<double> LORAPRO_SECOND();

int main() {
  const std::vector<double> first = LORAPRO_FIRST(), second = LORAPRO_SECOND();
  if (first.empty() || first.size() != second.size()) {
    std::puts("a run failed");
    return 1;
  }
  // Five steps of 1e-3; Adam divides by |gradient|, which magnifies the rounding of small ones.
  double difference = 0;
  for (std::size_t i = 0; i < first.size(); ++i)
    difference = std::max(difference, std::abs(first[i] - second[i]));
  std::printf("largest difference of a weight: %.3g\n", difference);
  return difference < 1e-10 ? 0 : 1;
}
