// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/tensorboard_log.hpp>

#include <algorithm>  // std::sort
#include <limits>     // std::numeric_limits
#include <map>        // std::map

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/step_events.hpp"

namespace {

using namespace std::string_literals;
using lorapro::TensorBoardLog;

/// Fields of a message: number and wire type, and the value as bytes (of a varint: as text).
using Fields = std::vector<std::pair<std::string, std::string>>;

std::uint64_t varint_at(const std::string& bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    REQUIRE(shift < 70);
    const auto byte = static_cast<unsigned char>(bytes.at(at++));
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
}

Fields fields_of(const std::string& message) {
  Fields fields;
  for (std::size_t at = 0; at < message.size();) {
    const std::uint64_t key = varint_at(message, at);
    const std::string name = std::to_string(key >> 3) + ':' + std::to_string(key & 7);
    if ((key & 7) == 0) {
      fields.emplace_back(name, std::to_string(varint_at(message, at)));
      continue;
    }
    const std::size_t size = (key & 7) == 1   ? 8
                             : (key & 7) == 5 ? 4
                                              : static_cast<std::size_t>(varint_at(message, at));
    REQUIRE((key & 7) != 3);
    REQUIRE(at + size <= message.size());
    fields.emplace_back(name, message.substr(at, size));
    at += size;
  }
  return fields;
}

template <typename T>
T number_at(const std::string& bytes, std::size_t at = 0) {
  REQUIRE(at + sizeof(T) <= bytes.size());
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);  // the tests run on little-endian machines
  return value;
}

/// Payloads of all records, each with both of its checks right.
std::vector<std::string> payloads_of(const std::filesystem::path& path) {
  const std::string file = contents_of(path);
  std::vector<std::string> payloads;
  for (std::size_t at = 0; at < file.size();) {
    const auto size = static_cast<std::size_t>(number_at<std::uint64_t>(file, at));
    REQUIRE(number_at<std::uint32_t>(file, at + 8) ==
            lorapro::events::masked_crc32c(file.substr(at, 8)));
    REQUIRE(at + 16 + size <= file.size());
    payloads.push_back(file.substr(at + 12, size));
    REQUIRE(number_at<std::uint32_t>(file, at + 12 + size) ==
            lorapro::events::masked_crc32c(payloads.back()));
    at += 16 + size;
  }
  return payloads;
}

struct Event {
  double wall_time = 0;
  std::string step, kind;
  std::string value;                     ///< of another kind than a summary
  std::map<std::string, float> scalars;  ///< of a summary
};

std::vector<Event> events_of(const std::filesystem::path& path) {
  std::vector<Event> events;
  for (const std::string& payload : payloads_of(path)) {
    const Fields fields = fields_of(payload);
    REQUIRE(fields.size() == 3);
    REQUIRE(fields[0].first == "1:1");
    REQUIRE(fields[1].first == "2:0");
    Event event;
    event.wall_time = number_at<double>(fields[0].second);
    event.step = fields[1].second;
    event.kind = fields[2].first;
    event.value = fields[2].second;
    if (event.kind == "5:2")
      for (const auto& [field, value] : fields_of(event.value)) {
        REQUIRE(field == "1:2");
        const Fields scalar = fields_of(value);
        REQUIRE(scalar.size() == 2);
        REQUIRE(scalar[0].first == "1:2");
        REQUIRE(scalar[1].first == "2:5");
        REQUIRE(event.scalars.emplace(scalar[0].second, number_at<float>(scalar[1].second)).second);
      }
    events.push_back(event);
  }
  return events;
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

double unix_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST_CASE("a file begins with its version and its first step", "[tensorboard_log]") {
  const ScratchFolder folder;
  const double before = unix_time();
  const TensorBoardLog log(folder.path() / "runs" / "first", 300);
  const auto files = files_of(folder.path() / "runs" / "first");
  REQUIRE(files.size() == 1);
  CHECK(log.path() == files[0]);
  CHECK(files[0].filename().string().find("events.out.tfevents.") == 0);
  const auto events = events_of(log.path());
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == "3:2");
  CHECK(events[0].value == "brain.Event:2");
  CHECK(events[1].kind == "7:2");
  CHECK(fields_of(events[1].value) == Fields{{"1:0", "1"}});  // SessionLog.START
  CHECK(events[1].step == "300");
  for (const Event& event : events) {
    CHECK(event.wall_time >= before);
    CHECK(event.wall_time <= unix_time());
  }
}

TEST_CASE("a step is a record of scalars, in the file at once", "[tensorboard_log]") {
  const ScratchFolder folder;
  TensorBoardLog log(folder.path());
  log(step_event(1));
  lorapro::StepEvent event = step_event(1000, 0.25);
  event.report.skipped_non_finite = 4;
  event.report.skipped_overflow = 5;
  event.report.rank_deficient = 6;
  event.groups[0].grad_norm = 2.5;
  event.groups.resize(12);
  event.groups[11] = {0.5, 7.0, 0.125};
  log(event);
  const auto events = events_of(log.path());
  REQUIRE(events.size() == 4);
  CHECK(events[2].step == "1");
  CHECK(events[2].kind == "5:2");
  CHECK(events[2].scalars == std::map<std::string, float>{{"milliseconds", 1.5F},
                                                          {"skipped", 0.0F},
                                                          {"rank_deficient", 0.0F},
                                                          {"lr", 0.001F},
                                                          {"clip_factor", 1.0F}});
  CHECK(events[3].step == "1000");
  const auto& scalars = events[3].scalars;
  CHECK(scalars.at("loss") == 0.25F);
  CHECK(scalars.at("skipped") == 9);
  CHECK(scalars.at("rank_deficient") == 6);
  CHECK(scalars.at("grad_norm") == 2.5F);
  CHECK(scalars.at("lr/11") == 0.5F);
  CHECK(scalars.at("grad_norm/11") == 7);
  CHECK(scalars.at("clip_factor/11") == 0.125F);
  CHECK(scalars.count("grad_norm/1") == 0);
  CHECK(scalars.size() == 4 + 3 + 10 * 2 + 3);
}

TEST_CASE("a scalar of the caller's has these bytes", "[tensorboard_log]") {
  const ScratchFolder folder;
  TensorBoardLog log(folder.path());
  log.add_scalar("eval/acc", 300, 0.25);
  const auto payloads = payloads_of(log.path());
  REQUIRE(payloads.size() == 3);
  // Wall time, step 300, a summary of 17 bytes, a value of 15, a tag of 8, 0.25 in 4.
  CHECK(payloads[2].substr(0, 1) == "\x09");
  CHECK(payloads[2].substr(9) ==
        "\x10\xac\x02\x2a\x11\x0a\x0f\x0a\x08"
        "eval/acc\x15\x00\x00\x80\x3e"s);
}

TEST_CASE("tags and values of any size", "[tensorboard_log]") {
  const ScratchFolder folder;
  TensorBoardLog log(folder.path());
  const std::string tag(300, 'x');
  log.add_scalar(tag, std::int64_t{1} << 62, std::numeric_limits<double>::infinity());
  log.add_scalar("nan", 2, std::numeric_limits<double>::quiet_NaN());
  const auto events = events_of(log.path());
  REQUIRE(events.size() == 4);
  CHECK(events[2].step == std::to_string(std::int64_t{1} << 62));
  CHECK(events[2].scalars.at(tag) == std::numeric_limits<float>::infinity());
  CHECK(events[3].scalars.at("nan") != events[3].scalars.at("nan"));
}

TEST_CASE("a resumed run writes a file that is read after the others", "[tensorboard_log]") {
  const ScratchFolder folder;
  std::vector<std::filesystem::path> made;
  std::vector<std::string> contents;
  for (int run = 0; run < 12; ++run) {
    TensorBoardLog log(folder.path(), 10 * run + 1);
    log(step_event(10 * run + 1));
    made.push_back(log.path());
    contents.push_back(contents_of(made.back()));
  }
  CHECK(files_of(folder.path()) == made);
  for (std::size_t i = 0; i < made.size(); ++i) CHECK(contents_of(made[i]) == contents[i]);
}

TEST_CASE("what a TensorBoard log refuses", "[tensorboard_log]") {
  const ScratchFolder folder;
  CHECK(message_of<lorapro::ConfigError>([&] { TensorBoardLog(folder.path() / "runs", 0); }) ==
        "first_step: expected a number >= 1, got 0");
  CHECK_FALSE(std::filesystem::exists(folder.path() / "runs"));
  const auto file = folder.write("file", "words");
  CHECK(message_of<lorapro::FileError>([&] { TensorBoardLog log(file); }).find(file.string()) == 0);
  CHECK(message_of<lorapro::FileError>([&] {
          TensorBoardLog log(file / "below");
        }).find((file / "below").string() + ": cannot be created (") == 0);
}

}  // namespace
