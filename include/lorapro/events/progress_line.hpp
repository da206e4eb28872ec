// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/file_error.hpp>
#include <lorapro/optim/observer.hpp>

#include <algorithm>  // std::max, std::min
#include <cstdio>     // std::FILE, std::snprintf

#ifdef LORAPRO_HAS_POSIX_FILES
#include <unistd.h>  // isatty
#endif

LORAPRO_NAMESPACE_BEGIN

/// An observer that shows on a terminal how far a training has come, in one line that is drawn
/// over:
///
///     step 420/1000  42%  35.1 steps/s  0:16 left  loss 0.1234  3 skipped
///
/// at most ten times a second, and in the last step. Where the stream is no terminal it is silent.
/// Writes that fail are no reason to end a training, and are ignored. Uses no heap.
///
/// \code
/// lorapro::ProgressLine line(1000);
/// optimizer.add_observer(std::ref(line));
/// \endcode
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;

  /// \param total_steps  number of the last step, from which the time that is left is estimated.
  /// \param stream       stays open as long as the line.
  /// \param start        from which the rate is counted.
  /// \throws ConfigError (total_steps < 1).
  explicit ProgressLine(std::int64_t total_steps, std::FILE* stream = stderr,
                        Clock::time_point start = Clock::now())
      : total_(total_steps), stream_(stream), terminal_(is_terminal(stream)), start_(start) {
    checks::config(total_steps >= 1, "total_steps", "a number >= 1", total_steps);
  }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { end(); }

  void operator()(const StepEvent& event) { advance(event, Clock::now()); }

  /// The same at a time of the caller's.
  void advance(const StepEvent& event, Clock::time_point now) {
    ++done_;
    skipped_ += event.report.skipped();
    const bool last = event.report.step >= total_;
    if (!terminal_ || (!last && done_ > 1 && now - drawn_ < kRedraw)) return;
    drawn_ = now;
    draw(event, std::chrono::duration<double>(now - start_).count());
    if (last) end();
  }

  /// Ends the line, so that other output begins in the next one.
  void end() {
    if (width_ == 0) return;
    std::fputc('\n', stream_);
    std::fflush(stream_);
    width_ = 0;
  }

 private:
  static constexpr Clock::duration kRedraw = std::chrono::milliseconds(100);

  static bool is_terminal(std::FILE* stream) {
#ifdef LORAPRO_HAS_POSIX_FILES
    return ::isatty(::fileno(stream)) != 0;
#else
    static_cast<void>(stream);
    return false;
#endif
  }

  void draw(const StepEvent& event, double seconds) {
    char text[160];
    int size = 0;
    const auto add = [&](const char* format, auto... values) {
      size += std::snprintf(text + size, sizeof text - static_cast<std::size_t>(size), format,
                            values...);
      size = (std::min)(size, static_cast<int>(sizeof text) - 1);
    };
    const std::int64_t step = event.report.step;
    add("step %lld/%lld  %d%%", static_cast<long long>(step), static_cast<long long>(total_),
        static_cast<int>(100 * static_cast<double>(step) / static_cast<double>(total_)));
    if (seconds > 0) {
      const double rate = static_cast<double>(done_) / seconds;
      add(rate < 100 ? "  %.3g steps/s" : "  %.0f steps/s", rate);
      const double left = static_cast<double>(std::max<std::int64_t>(total_ - step, 0)) / rate;
      // Nobody waits for more than ten years.
      const auto whole = static_cast<long long>((std::min)(left, 3e8) + 0.5);
      if (whole < 3600) {
        add("  %lld:%02lld left", whole / 60, whole % 60);
      } else {
        add("  %lld:%02lld:%02lld left", whole / 3600, whole / 60 % 60, whole % 60);
      }
    }
    if (event.loss) add("  loss %.4g", *event.loss);
    if (skipped_ > 0) add("  %lld skipped", static_cast<long long>(skipped_));
    // Blanks over what is left of a longer line.
    std::fprintf(stream_, "\r%-*s", (std::max)(width_, size), text);
    std::fflush(stream_);
    width_ = size;
  }

  std::int64_t total_;
  std::FILE* stream_;
  bool terminal_;
  Clock::time_point start_;
  Clock::time_point drawn_ = start_;
  std::int64_t done_ = 0;
  std::int64_t skipped_ = 0;
  int width_ = 0;  // of what stands in the line
};

LORAPRO_NAMESPACE_END
