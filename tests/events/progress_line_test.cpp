// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/progress_line.hpp>

#include <limits>  // std::numeric_limits

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/pseudo_terminal.hpp"
#include "support/step_events.hpp"

namespace {

using lorapro::ProgressLine;
using Clock = ProgressLine::Clock;

/// A line on a terminal, at times counted from its beginning.
struct Shown {
  PseudoTerminal terminal;
  Clock::time_point start = Clock::now();
  ProgressLine line;

  explicit Shown(std::int64_t total) : line(total, terminal.stream(), start) {}
  std::string after(double seconds, const lorapro::StepEvent& event) {
    line.advance(event, start + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(seconds)));
    return terminal.read_screen();
  }
};

TEST_CASE("a line is drawn over", "[progress_line][may_skip]") {
  Shown shown(100);
  CHECK(shown.after(1, step_event(1)) == "\rstep 1/100  1%  1 steps/s  1:39 left");
  lorapro::StepEvent event = step_event(3, 0.51234567);
  event.report.skipped_non_finite = 1;
  CHECK(shown.after(1.05, step_event(2)).empty());  // too soon
  CHECK(shown.after(2, event) ==
        "\rstep 3/100  3%  1.5 steps/s  1:05 left  loss 0.5123  1 skipped");
  // Blanks over the loss, which was longer; what was skipped stays known.
  CHECK(shown.after(4, step_event(4)) ==
        "\rstep 4/100  4%  1 steps/s  1:36 left  1 skipped               ");
  CHECK(shown.after(5, step_event(5)) == "\rstep 5/100  5%  1 steps/s  1:35 left  1 skipped");
}

TEST_CASE("the last step is always drawn and ends the line", "[progress_line][may_skip]") {
  Shown shown(2);
  CHECK(shown.after(1, step_event(1)) == "\rstep 1/2  50%  1 steps/s  0:01 left");
  CHECK(shown.after(1.01, step_event(2)) == "\rstep 2/2  100%  1.98 steps/s  0:00 left\n");
  shown.line.end();
  CHECK(shown.terminal.read_screen().empty());
  // Beyond what was announced.
  CHECK(shown.after(3, step_event(3)) == "\rstep 3/2  150%  1 steps/s  0:00 left\n");
}

TEST_CASE("rates and times of all sizes", "[progress_line][may_skip]") {
  CHECK(Shown(100000).after(1, step_event(1)) == "\rstep 1/100000  0%  1 steps/s  27:46:39 left");
  CHECK(Shown(3000).after(0.00037, step_event(1)).find("  0:01 left") != std::string::npos);
  CHECK(Shown(3).after(1000, step_event(1)) == "\rstep 1/3  33%  0.001 steps/s  33:20 left");
  // A run that was resumed at step 51: the rate is that of the steps seen.
  CHECK(Shown(100).after(1, step_event(51)) == "\rstep 51/100  51%  1 steps/s  0:49 left");
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  CHECK(Shown(most).after(1, step_event(most - 1)).find("0:01 left") != std::string::npos);
  CHECK(Shown(most).after(1, step_event(1)).find("83333:20:00 left") != std::string::npos);
}

TEST_CASE("a line that is not complete ends with its object", "[progress_line][may_skip]") {
  const PseudoTerminal terminal;
  {
    ProgressLine line(10, terminal.stream());
    line(step_event(1));
    CHECK(terminal.read_screen().find("\rstep 1/10  10%") == 0);
  }
  CHECK(terminal.read_screen() == "\n");
  { const ProgressLine silent(10, terminal.stream()); }
  CHECK(terminal.read_screen().empty());
}

TEST_CASE("where there is no terminal it is silent", "[progress_line]") {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    ProgressLine line(2, file);
    line(step_event(1, 0.5));
    line(step_event(2, 0.5));
  }
  CHECK(std::ftell(file) == 0);
  std::fclose(file);
}

TEST_CASE("there is at least one step to make progress in", "[progress_line]") {
  CHECK(message_of<lorapro::ConfigError>([] { ProgressLine line(0); }) ==
        "total_steps: expected a number >= 1, got 0");
}

}  // namespace
