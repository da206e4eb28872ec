// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/events/step_lines.hpp>
#include <lorapro/optim/observer.hpp>

LORAPRO_NAMESPACE_BEGIN

/// An observer that writes a line of comma-separated numbers for every step, below the header
///
///     step,loss,milliseconds,updated,skipped_non_finite,skipped_overflow,rank_deficient,
///     lr_0,grad_norm_0,clip_factor_0
///
/// (one line) with the last three for every further group. What there is none of is empty: a loss
/// that nobody set, the norm of a group that does not clip. A line is in the file when the step
/// returns.
///
/// \code
/// lorapro::CsvLog log("run.csv", optimizer.step_count() + 1);  // after a resume as well
/// optimizer.add_observer(std::ref(log));
/// \endcode
class CsvLog {
 public:
  /// \param first_step  the step to come: lines of the steps before it stay, what an earlier run
  /// wrote of it and later ones is cut off.
  /// \throws FormatError (the file is no such log; it stays as it is), FileError, ConfigError
  /// (first_step < 1).
  explicit CsvLog(const std::filesystem::path& path, std::int64_t first_step = 1)
      : CsvLog(path, events::earlier_lines(path, {"", ',', true}, first_step)) {}

  const std::filesystem::path& path() const { return file_.path(); }

  /// \throws StateError (another number of groups than the header has), FileError (a full disk);
  /// the file is as it was then.
  void operator()(const StepEvent& event) {
    if (file_.size() == 0) {
      groups_ = event.groups.size();
      file_.append(header(groups_) + '\n');
    }
    if (event.groups.size() != groups_)
      throw StateError(path().string() + ": expected " + std::to_string(groups_) +
                       " groups as in its header, got " + std::to_string(event.groups.size()));
    line_.clear();
    events::append_number(line_, event.report.step);
    add(event.loss);
    add(event.milliseconds);
    add(event.report.updated);
    add(event.report.skipped_non_finite);
    add(event.report.skipped_overflow);
    add(event.report.rank_deficient);
    for (const GroupStep& group : event.groups) {
      add(group.lr);
      add(group.grad_norm);
      add(group.clip_factor);
    }
    line_ += '\n';
    file_.append(line_);
  }

 private:
  static constexpr const char* kColumns =
      "step,loss,milliseconds,updated,skipped_non_finite,skipped_overflow,rank_deficient";

  CsvLog(const std::filesystem::path& path, const events::EarlierLines& earlier)
      : groups_(groups_of(path, earlier)),
        file_(events::open_after(path, without_header(earlier))) {}

  static std::string header(std::size_t groups) {
    std::string text = kColumns;
    for (std::size_t i = 0; i < groups; ++i) append_columns(text, i);
    return text;
  }
  static void append_columns(std::string& text, std::size_t group) {
    const std::string number = std::to_string(group);
    text += ",lr_" + number + ",grad_norm_" + number + ",clip_factor_" + number;
  }

  /// How many groups the header is of, which has to be one of ours, though it may have been cut
  /// off.
  static std::size_t groups_of(const std::filesystem::path& path,
                               const events::EarlierLines& earlier) {
    std::size_t groups = 0;
    std::string expected = kColumns;
    while (expected.size() < earlier.header.size()) append_columns(expected, groups++);
    const bool whole = earlier.kept > 0;
    if (whole ? earlier.header != expected
              : expected.compare(0, earlier.header.size(), earlier.header) != 0)
      throw FormatError(path.string() + ": line 1: expected the header of a CsvLog, " + header(1));
    return groups;
  }

  /// Without a line of a step the header goes as well: the groups may be others now.
  static events::EarlierLines without_header(events::EarlierLines earlier) {
    if (!earlier.any()) earlier.kept = 0;
    return earlier;
  }

  template <typename Number>
  void add(Number value) {
    line_ += ',';
    events::append_number(line_, value);
  }
  void add(const std::optional<double>& value) {
    if (value) {
      add(*value);
    } else {
      line_ += ',';
    }
  }

  std::size_t groups_;
  events::AppendFile file_;
  std::string line_;
};

LORAPRO_NAMESPACE_END
