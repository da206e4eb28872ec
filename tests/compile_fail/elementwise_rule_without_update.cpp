// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
// EXPECT: ElementwiseRule: a rule needs template <typename Scalar> struct Update
#include <lorapro/lorapro.hpp>

struct Rule : lorapro::ElementwiseRule {
  static constexpr const char* kName = "rule";
  static constexpr std::array<const char*, 1> kState{"exp_avg"};
  template <typename Scalar>
  struct Update {
    explicit Update(const lorapro::ElementStep&) {}
#ifdef LORAPRO_CONTROL
    void operator()(const lorapro::ElementRow<Scalar, 1>&) const {}
#else
    void operator()(const lorapro::ElementRow<Scalar, 2>&) const {}
#endif
  };
};

using Optimizer = lorapro::Optimizer<float, Rule>;
void run(Optimizer& optimizer) { (void)optimizer.config(); }
