// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/events/step_lines.hpp>
#include <lorapro/optim/observer.hpp>

LORAPRO_NAMESPACE_BEGIN

/// An observer that writes one JSON object in a line of its own for every step:
///
///     {"step":7,"loss":0.25,"milliseconds":1.5,"updated":3,"skipped_non_finite":0,
///     "skipped_overflow":0,"rank_deficient":1,
///     "groups":[{"lr":0.001,"grad_norm":2.5,"clip_factor":0.4}]}
///
/// (one line). A loss that nobody set is missing, as the norm of a group that does not clip is;
/// what is not finite is null. A line is in the file when the step returns. Used as CsvLog.
class JsonLinesLog {
 public:
  /// \param first_step  the step to come: lines of the steps before it stay, what an earlier run
  /// wrote of it and later ones is cut off.
  /// \throws FormatError (the file is no such log; it stays as it is), FileError, ConfigError
  /// (first_step < 1).
  explicit JsonLinesLog(const std::filesystem::path& path, std::int64_t first_step = 1)
      : file_(events::open_after(
            path, events::earlier_lines(path, {R"({"step":)", ',', false}, first_step))) {}

  const std::filesystem::path& path() const { return file_.path(); }

  /// \throws FileError (a full disk); the file is as it was then.
  void operator()(const StepEvent& event) {
    line_ = R"({"step":)";
    events::append_number(line_, event.report.step);
    add(R"(,"loss":)", event.loss);
    add(R"(,"milliseconds":)", event.milliseconds);
    add(R"(,"updated":)", event.report.updated);
    add(R"(,"skipped_non_finite":)", event.report.skipped_non_finite);
    add(R"(,"skipped_overflow":)", event.report.skipped_overflow);
    add(R"(,"rank_deficient":)", event.report.rank_deficient);
    line_ += R"(,"groups":[)";
    for (const GroupStep& group : event.groups) {
      add(&group == event.groups.data() ? R"({"lr":)" : R"(,{"lr":)", group.lr);
      add(R"(,"grad_norm":)", group.grad_norm);
      add(R"(,"clip_factor":)", group.clip_factor);
      line_ += '}';
    }
    line_ += "]}\n";
    file_.append(line_);
  }

 private:
  template <typename Number>
  void add(const char* key, Number value) {
    line_ += key;
    if (is_finite(static_cast<double>(value))) {
      events::append_number(line_, value);
    } else {
      line_ += "null";
    }
  }
  void add(const char* key, const std::optional<double>& value) {
    if (value) add(key, *value);
  }

  events::AppendFile file_;
  std::string line_;
};

LORAPRO_NAMESPACE_END
