// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/csv_log.hpp>

#include <limits>  // std::numeric_limits

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/step_events.hpp"

namespace {

using lorapro::CsvLog;

const std::string kHeader =
    "step,loss,milliseconds,updated,skipped_non_finite,skipped_overflow,rank_deficient,"
    "lr_0,grad_norm_0,clip_factor_0";

TEST_CASE("a step is a line below the header", "[csv_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.csv";
  CsvLog log(path);
  CHECK(log.path() == path);
  CHECK(contents_of(path).empty());
  log(step_event(1, 0.25));
  CHECK(contents_of(path) == kHeader + "\n1,0.25,1.5,3,0,0,0,0.001,,1\n");
  lorapro::StepEvent event = step_event(2);
  event.report.skipped_non_finite = 4;
  event.report.skipped_overflow = 5;
  event.report.rank_deficient = 6;
  event.groups[0].grad_norm = 2.5;
  event.groups[0].clip_factor = 0.4;
  log(event);
  event = step_event(3, std::numeric_limits<double>::quiet_NaN());
  log(event);
  CHECK(contents_of(path) == kHeader +
                                 "\n1,0.25,1.5,3,0,0,0,0.001,,1\n2,,1.5,3,4,5,6,0.001,2.5,0.4\n"
                                 "3,nan,1.5,3,0,0,0,0.001,,1\n");
}

TEST_CASE("each group has its columns", "[csv_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.csv";
  CsvLog log(path);
  lorapro::StepEvent event = step_event(1);
  event.groups.push_back({0.5, 7.0, 0.125});
  log(event);
  const std::string expected =
      kHeader + ",lr_1,grad_norm_1,clip_factor_1\n" + "1,,1.5,3,0,0,0,0.001,,1,0.5,7,0.125\n";
  CHECK(contents_of(path) == expected);
  CHECK(message_of<lorapro::StateError>([&] { log(step_event(2)); }) ==
        path.string() + ": expected 2 groups as in its header, got 1");
  CHECK(contents_of(path) == expected);
}

TEST_CASE("a resumed run goes on in the log", "[csv_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.csv";
  const std::string lines[] = {"1,0.1,1.5,3,0,0,0,0.001,,1\n", "2,0.2,1.5,3,0,0,0,0.001,,1\n",
                               "3,0.3,1.5,3,0,0,0,0.001,,1\n"};
  {
    CsvLog log(path);
    for (int t = 1; t <= 3; ++t) log(step_event(t, 0.1 * t));
  }
  const std::string full = contents_of(path);
  CHECK(full.find(kHeader + '\n' + lines[0] + lines[1] + "3,") == 0);
  SECTION("at the end") {
    CsvLog(path, 4)(step_event(4));
    CHECK(contents_of(path) == full + "4,,1.5,3,0,0,0,0.001,,1\n");
  }
  SECTION("before the end, which is written anew") {
    CsvLog(path, 3)(step_event(3, 0.3));
    CHECK(contents_of(path) == kHeader + '\n' + lines[0] + lines[1] + lines[2]);
  }
  SECTION("from the start, with other groups") {
    lorapro::StepEvent event = step_event(1, 0.1);
    event.groups.emplace_back();
    CsvLog(path, 1)(event);
    CHECK(contents_of(path) ==
          kHeader + ",lr_1,grad_norm_1,clip_factor_1\n" + "1,0.1,1.5,3,0,0,0,0.001,,1,0,,1\n");
  }
  SECTION("with other groups in the middle") {
    CsvLog log(path, 3);
    lorapro::StepEvent event = step_event(3);
    event.groups.emplace_back();
    CHECK(message_of<lorapro::StateError>([&] { log(event); }) ==
          path.string() + ": expected 1 groups as in its header, got 2");
  }
}

TEST_CASE("a header that was cut off is written anew", "[csv_log]") {
  const ScratchFolder folder;
  for (const std::size_t size : {std::size_t{1}, std::size_t{20}, kHeader.size()}) {
    const auto path = folder.write("run.csv", kHeader.substr(0, size));
    CsvLog(path, 1)(step_event(1));
    CHECK(contents_of(path) == kHeader + "\n1,,1.5,3,0,0,0,0.001,,1\n");
  }
}

TEST_CASE("a file of other columns is refused and left as it is", "[csv_log]") {
  const ScratchFolder folder;
  for (const std::string& text :
       {std::string("words"), std::string("words\n"), "x" + kHeader + "\n", kHeader + ",x\n1,2\n",
        kHeader.substr(0, 20) + "\n", std::string("1,0.1,1.5,3,0,0,0,0.001,,1\n"),
        kHeader + ",lr_2,grad_norm_2,clip_factor_2\n", std::string(100000, ','),
        std::string("\n")}) {
    CAPTURE(text.substr(0, 200));
    const auto path = folder.write("run.csv", text);
    CHECK(message_of<lorapro::FormatError>([&] { CsvLog log(path, 2); }) ==
          path.string() + ": line 1: expected the header of a CsvLog, " + kHeader);
    CHECK(contents_of(path) == text);
  }
}

TEST_CASE("a full disk is told", "[csv_log]") {
  CsvLog log("/dev/full");
  CHECK_THROWS_AS(log(step_event(1)), lorapro::FileError);
  CHECK_THROWS_AS(CsvLog("/dev/null", 0), lorapro::ConfigError);
}

}  // namespace
