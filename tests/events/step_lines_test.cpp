// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/step_lines.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/step_events.hpp"

namespace {

using lorapro::events::EarlierLines;
using lorapro::events::StepLineFormat;

constexpr StepLineFormat kPlain = {"", ',', false};
constexpr StepLineFormat kHeaded = {"", ',', true};
constexpr StepLineFormat kPrefixed = {"<step=", '>', false};

struct Found {
  std::string header, kept;
  bool any;
};

/// What is found in `text` for `first_step`, and that open_after keeps just that.
Found found_in(const std::string& text, const StepLineFormat& format, std::int64_t first_step) {
  const ScratchFolder folder;
  const auto path = folder.write("log", text);
  const EarlierLines earlier = lorapro::events::earlier_lines(path, format, first_step);
  CHECK(earlier.present == text.size());
  CHECK(contents_of(path) == text);
  auto file = lorapro::events::open_after(path, earlier);
  CHECK(file.size() == earlier.kept);
  file.append("x");
  const std::string kept = contents_of(path);
  REQUIRE(!kept.empty());
  CHECK(kept.back() == 'x');
  return {earlier.header, kept.substr(0, kept.size() - 1), earlier.any()};
}

TEST_CASE("lines of the steps before the first one stay", "[step_lines]") {
  const std::string log = "1,a\n2,b\n3,c\n";
  CHECK(found_in(log, kPlain, 1).kept.empty());
  CHECK(found_in(log, kPlain, 2).kept == "1,a\n");
  CHECK(found_in(log, kPlain, 3).kept == "1,a\n2,b\n");
  CHECK(found_in(log, kPlain, 4).kept == log);
  CHECK(found_in(log, kPlain, 400).kept == log);
  CHECK(found_in("", kPlain, 2).kept.empty());
  CHECK(found_in("1,a\n5,b\n", kPlain, 3).kept == "1,a\n");
  CHECK(found_in("<step=1>\n<step=10>\n", kPrefixed, 10).kept == "<step=1>\n");
  // Lines after one that is cut off are not looked at.
  CHECK(found_in("1,a\n2,b\nwords\n", kPlain, 2).kept == "1,a\n");
}

TEST_CASE("a line that was cut off goes", "[step_lines]") {
  CHECK(found_in("1,a\n2,b", kPlain, 9).kept == "1,a\n");
  CHECK(found_in("1,a\n2", kPlain, 9).kept == "1,a\n");
  CHECK(found_in("<step=1>\n<st", kPrefixed, 9).kept == "<step=1>\n");
  CHECK(found_in("<step=1>\n<step=", kPrefixed, 9).kept == "<step=1>\n");
  CHECK(found_in("<step=1>\n<step=2>", kPrefixed, 9).kept == "<step=1>\n");
}

TEST_CASE("a header belongs to no step", "[step_lines]") {
  const Found two = found_in("words\n1,a\n2,b\n", kHeaded, 2);
  CHECK(two.header == "words");
  CHECK(two.kept == "words\n1,a\n");
  CHECK(two.any);
  const Found none = found_in("words\n1,a\n", kHeaded, 1);
  CHECK(none.kept == "words\n");
  CHECK_FALSE(none.any);
  const Found torn = found_in("wor", kHeaded, 1);
  CHECK(torn.header == "wor");
  CHECK(torn.kept.empty());
  CHECK_FALSE(torn.any);
  CHECK(found_in("", kHeaded, 1).header.empty());
}

TEST_CASE("a file of another kind is refused and left as it is", "[step_lines]") {
  const ScratchFolder folder;
  const auto check = [&](const std::string& text, const StepLineFormat& format, int line) {
    CAPTURE(text);
    const auto path = folder.write("log", text);
    CHECK(message_of<lorapro::FormatError>([&] {
            lorapro::events::earlier_lines(path, format, 7);
          }) == path.string() + ": line " + std::to_string(line) +
                    ": expected a step at its beginning, as in the log of an earlier run");
    CHECK(contents_of(path) == text);
  };
  check("words\n", kPlain, 1);
  check("\n", kPlain, 1);
  check("1,a\nwords\n3,c\n", kPlain, 2);
  check("1;a\n", kPlain, 1);
  check("1\n", kPlain, 1);
  check(" 1,a\n", kPlain, 1);
  check("99999999999999999999,a\n", kPlain, 1);
  check("words\nwords\n", kHeaded, 2);
  check("<step=>\n", kPrefixed, 1);
  check("<step=1\n", kPrefixed, 1);
  check("<stop=1>\n", kPrefixed, 1);
  check("<step=1>\n<stop", kPrefixed, 2);
  check("<st\n", kPrefixed, 1);
  check(std::string("\0\0\0\n", 4), kPlain, 1);
}

TEST_CASE("what is no file has no earlier lines, and steps begin at 1", "[step_lines]") {
  const ScratchFolder folder;
  const EarlierLines none = lorapro::events::earlier_lines(folder.path() / "no", kPlain, 5);
  CHECK(none.present == 0);
  CHECK(none.kept == 0);
  CHECK(lorapro::events::earlier_lines("/dev/null", kPlain, 5).present == 0);
  CHECK(message_of<lorapro::ConfigError>([&] {
          lorapro::events::earlier_lines(folder.path() / "no", kPlain, 0);
        }) == "first_step: expected a number >= 1, got 0");
}

}  // namespace
