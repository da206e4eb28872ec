// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/optim/groups.hpp>

#include <chrono>      // std::chrono::steady_clock
#include <exception>   // std::exception_ptr
#include <functional>  // std::function
#include <optional>    // std::optional

LORAPRO_NAMESPACE_BEGIN

/// What a step did to one parameter group.
struct GroupStep {
  double lr = 0;                    ///< that the step took: the group's times the schedule's factor
  std::optional<double> grad_norm;  ///< that clipping measured; none for ClipNorm::none
  double clip_factor = 1;           ///< that the gradients were multiplied by
};

/// What observers are told of a step that is done.
struct StepEvent {
  StepReport report;
  double milliseconds = 0;        ///< wall time of Optimizer::step, without the observers
  std::optional<double> loss;     ///< of Optimizer::set_loss before this step
  std::vector<GroupStep> groups;  ///< by number of the group
};

/// Called at the end of every step: Optimizer::add_observer. Large or unique ones go by reference:
///
/// \code
/// lorapro::CsvLog log("run.csv");
/// optimizer.add_observer(std::ref(log));
/// optimizer.add_observer([](const lorapro::StepEvent& event) { ... });
/// \endcode
///
/// The step is whole by then: parameters, states and counters are those after it. What an observer
/// throws comes out of Optimizer::step, in place of its report, after the other observers were
/// called (of several exceptions the first). An observer may change the optimizer's rates, groups
/// and attachments; it must not step it nor add or clear observers.
using StepObserver = std::function<void(const StepEvent&)>;

namespace detail {

/// The observers of an optimizer. Without any, a step asks whether there are some, and that is all.
class Observers {
 public:
  using Clock = std::chrono::steady_clock;

  /// \throws ConfigError (an empty function), StateError (called by an observer).
  void add(StepObserver observer) {
    check_idle();
    if (!observer) throw ConfigError("observer: expected something to call, got nothing");
    observers_.push_back(std::move(observer));
  }

  /// \throws StateError (called by an observer).
  void clear() {
    check_idle();
    observers_.clear();
  }

  void set_loss(double loss) { event_.loss = loss; }

  /// When a step begins; some time or other if nobody will ask.
  /// \throws StateError (called by an observer).
  Clock::time_point start() const {
    check_idle();
    return observers_.empty() ? Clock::time_point() : Clock::now();
  }

  /// Tells all of them of the step that began at `started`. Uses the heap only when there are more
  /// groups than in the last step.
  void notify(const StepReport& report, const Groups& groups, Clock::time_point started) {
    if (observers_.empty()) {
      event_.loss.reset();
      return;
    }
    event_.milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - started).count();
    event_.report = report;
    event_.groups.clear();
    for (std::size_t i = 0; i < static_cast<std::size_t>(groups.size()); ++i)
      event_.groups.push_back(step_of(groups[i], report.lr_factor));
    call_all();
  }

 private:
  static GroupStep step_of(const Group& group, double lr_factor) {
    GroupStep step;
    step.lr = group.config.lr * lr_factor;
    if (group.config.clip_norm != ClipNorm::none) step.grad_norm = std::sqrt(group.squared_norm);
    step.clip_factor = group.clip;
    return step;
  }

  void call_all() {
    std::exception_ptr first;
    calling_ = true;
    for (const StepObserver& observer : observers_) {
      try {
        observer(event_);
      } catch (...) {
        if (first == nullptr) first = std::current_exception();
      }
    }
    calling_ = false;
    event_.loss.reset();
    if (first != nullptr) std::rethrow_exception(first);
  }

  void check_idle() const {
    if (calling_) throw StateError("observer: expected no step and no change of observers in one");
  }

  std::vector<StepObserver> observers_;
  StepEvent event_;
  bool calling_ = false;
};

}  // namespace detail

LORAPRO_NAMESPACE_END
