// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <unistd.h>  // isatty

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <string>
#include <utility>

namespace examples {

/// How far the steps of all runs have come, on the standard error: a bar where that is a terminal,
/// else a plain line now and then.
class ProgressBar {
 public:
  explicit ProgressBar(std::int64_t total_steps) : total_(std::max<std::int64_t>(total_steps, 1)) {}
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// What the steps from now on belong to.
  void set_label(std::string label) { label_ = std::move(label); }

  /// That many steps were done before.
  void skip(std::int64_t steps) { total_ = std::max<std::int64_t>(total_ - steps, 1); }

  /// One more step is done; `loss` is its training loss.
  void advance(double loss) {
    ++done_;
    const auto now = Clock::now();
    if (now - shown_ < (terminal_ ? kRedraw : kPlainLine)) return;
    shown_ = now;
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const double left = elapsed / static_cast<double>(done_) * static_cast<double>(total_ - done_);
    const auto percent = static_cast<int>(100 * done_ / total_);
    const std::string text = fmt::format("{:3}%  {}  loss {:.3f}  {:.0f} s left", percent, label_,
                                         loss, std::max(left, 0.0));
    if (terminal_) {
      constexpr int kWidth = 24;
      const auto filled = static_cast<std::size_t>(std::min(percent, 100) * kWidth / 100);
      std::string bar(filled, '=');
      bar.resize(kWidth, ' ');
      fmt::print(stderr, "\r[{}] {}\033[K", bar, text);
      std::fflush(stderr);
    } else {
      fmt::print(stderr, "{}\n", text);
    }
  }

  /// Prints a line that stays.
  void print(const std::string& line) {
    clear();
    fmt::print(stderr, "{}\n", line);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kRedraw = std::chrono::milliseconds(100);
  static constexpr Clock::duration kPlainLine = std::chrono::seconds(10);

  void clear() const {
    if (terminal_) {
      fmt::print(stderr, "\r\033[K");
      std::fflush(stderr);
    }
  }

  const bool terminal_ = isatty(STDERR_FILENO) != 0;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point shown_ = start_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  std::string label_;
};

}  // namespace examples
