// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include "tokens.hpp"

namespace examples::llm {

/// The processes that train one model together: each has all of it, and a part of every step. This
/// one is alone; MpiPeers are several. All call the same functions in the same order.
class Peers {
 public:
  virtual ~Peers() = default;

  /// From 0.
  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }

  /// \name Sums over all
  /// Each number becomes that of all processes, with the same bits in each.
  /// @{
  virtual void sum(float* values, Index count) const {
    (void)values;
    (void)count;
  }
  virtual void sum(double* values, Index count) const {
    (void)values;
    (void)count;
  }
  /// @}

  double sum(double value) const {
    sum(&value, 1);
    return value;
  }

  /// Until all have come here.
  void wait() const { sum(0.0); }

  /// Whether thing number `index` is this one's.
  bool has(std::size_t index) const {
    return index % static_cast<std::size_t>(size()) == static_cast<std::size_t>(rank());
  }
  /// The one that writes and prints.
  bool leads() const { return rank() == 0; }
};

}  // namespace examples::llm
