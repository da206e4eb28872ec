// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <Eigen/Core>

namespace examples::llm {

/// Eigen's number of threads, which layers take for theirs, within a scope.
class EigenThreads {
 public:
  explicit EigenThreads(int threads) : before_(Eigen::nbThreads()) { Eigen::setNbThreads(threads); }
  EigenThreads(const EigenThreads&) = delete;
  EigenThreads& operator=(const EigenThreads&) = delete;
  ~EigenThreads() { Eigen::setNbThreads(before_); }

 private:
  int before_;
};

}  // namespace examples::llm
