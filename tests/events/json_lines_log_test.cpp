// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/json_lines_log.hpp>

#include <limits>  // std::numeric_limits
#include <nlohmann/json.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/step_events.hpp"

namespace {

using lorapro::JsonLinesLog;
using nlohmann::json;

std::vector<json> lines_of(const std::filesystem::path& path) {
  std::vector<json> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST_CASE("a step is an object in a line", "[json_lines_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.jsonl";
  JsonLinesLog log(path);
  CHECK(log.path() == path);
  log(step_event(1));
  CHECK(contents_of(path) ==
        R"({"step":1,"milliseconds":1.5,"updated":3,"skipped_non_finite":0,"skipped_overflow":0,)"
        R"("rank_deficient":0,"groups":[{"lr":0.001,"clip_factor":1}]})"
        "\n");
  lorapro::StepEvent event = step_event(1234567890123, 1.0 / 3);
  event.milliseconds = 1e-7;
  event.report.skipped_non_finite = 4;
  event.report.skipped_overflow = 5;
  event.report.rank_deficient = 6;
  event.groups.push_back({1e-5, 2.5e30, 0.4});
  log(event);
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == 2);
  CHECK(lines[1] == json({{"step", 1234567890123},
                          {"loss", 1.0 / 3},
                          {"milliseconds", 1e-7},
                          {"updated", 3},
                          {"skipped_non_finite", 4},
                          {"skipped_overflow", 5},
                          {"rank_deficient", 6},
                          {"groups",
                           {{{"lr", 0.001}, {"clip_factor", 1.0}},
                            {{"lr", 1e-5}, {"grad_norm", 2.5e30}, {"clip_factor", 0.4}}}}}));
}

TEST_CASE("what is not finite is null", "[json_lines_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.jsonl";
  JsonLinesLog log(path);
  lorapro::StepEvent event = step_event(1, std::numeric_limits<double>::quiet_NaN());
  event.groups[0].grad_norm = std::numeric_limits<double>::infinity();
  log(event);
  const auto lines = lines_of(path);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].at("loss").is_null());
  CHECK(lines[0].at("groups").at(0).at("grad_norm").is_null());
}

TEST_CASE("a resumed run goes on in the lines", "[json_lines_log]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.jsonl";
  {
    JsonLinesLog log(path);
    for (int t = 1; t <= 3; ++t) log(step_event(t, t));
  }
  std::ofstream(path, std::ios::app) << R"({"step":4,"lo)";  // the program was stopped
  JsonLinesLog(path, 3)(step_event(3, 30));
  auto lines = lines_of(path);
  REQUIRE(lines.size() == 3);
  for (int t = 1; t <= 3; ++t) {
    CHECK(lines[static_cast<std::size_t>(t) - 1].at("step") == t);
    CHECK(lines[static_cast<std::size_t>(t) - 1].at("loss") == (t < 3 ? t : 30));
  }
  JsonLinesLog(path, 4)(step_event(4));
  CHECK(lines_of(path).size() == 4);
  JsonLinesLog(path, 1)(step_event(1));
  CHECK(lines_of(path).size() == 1);
}

TEST_CASE("a file of other lines is refused and left as it is", "[json_lines_log]") {
  const ScratchFolder folder;
  for (const char* text : {"words", "{\"loss\":1}\n", "[1]\n", "1,2\n", "{\"step\": 1}\n"}) {
    CAPTURE(text);
    const auto path = folder.write("run.jsonl", text);
    CHECK_THROWS_AS(JsonLinesLog(path, 2), lorapro::FormatError);
    CHECK(contents_of(path) == text);
  }
  JsonLinesLog full("/dev/full");
  CHECK_THROWS_AS(full(step_event(1)), lorapro::FileError);
  CHECK_THROWS_AS(JsonLinesLog("/dev/null", 0), lorapro::ConfigError);
}

}  // namespace
