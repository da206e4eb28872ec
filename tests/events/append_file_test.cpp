// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/append_file.hpp>

#include <sys/resource.h>  // setrlimit

#include <csignal>
#include <limits>  // std::numeric_limits

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/step_events.hpp"

namespace {

using lorapro::events::AppendFile;

/// No file may grow beyond `bytes`, as on a disk that is full then.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small = {bytes, before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_ = {};
};

template <typename Number>
std::string number_text(Number value) {
  std::string out = ":";
  lorapro::events::append_number(out, value);
  return out;
}

TEST_CASE("numbers have the fewest characters that give them back", "[append_file]") {
  CHECK(number_text(0.001) == ":0.001");
  CHECK(number_text(1e-05) == ":1e-05");
  CHECK(number_text(1.0 / 3) == ":0.3333333333333333");
  CHECK(number_text(-0.0) == ":-0");
  CHECK(number_text(2.5) == ":2.5");
  CHECK(number_text(-1.7976931348623157e308) == ":-1.7976931348623157e+308");
  CHECK(number_text(std::numeric_limits<double>::infinity()) == ":inf");
  CHECK(number_text(std::numeric_limits<double>::quiet_NaN()) == ":nan");
  CHECK(number_text(std::numeric_limits<std::int64_t>::min()) == ":-9223372036854775808");
}

TEST_CASE("records are in the file at once, behind what was there", "[append_file]") {
  const ScratchFolder folder;
  const auto path = folder.write("log", "old\n");
  AppendFile file(path);
  CHECK(file.path() == path);
  CHECK(file.size() == 4);
  file.append("one\n");
  CHECK(contents_of(path) == "old\none\n");
  AppendFile moved = std::move(file);
  moved.append(std::string_view("a\0b", 3));
  CHECK(moved.size() == 11);
  CHECK(contents_of(path) == std::string("old\none\na\0b", 11));
}

TEST_CASE("a file is made where there is none", "[append_file]") {
  const ScratchFolder folder;
  AppendFile file(folder.path() / "new");
  CHECK(file.size() == 0);
  CHECK(std::filesystem::exists(folder.path() / "new"));
}

TEST_CASE("create makes a file only where there is none", "[append_file]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "new";
  auto made = AppendFile::create(path);
  REQUIRE(made.has_value());
  made->append("x");
  CHECK_FALSE(AppendFile::create(path).has_value());
  CHECK(contents_of(path) == "x");
  CHECK(message_of<lorapro::FileError>([&] {
          AppendFile::create(folder.path() / "no" / "file");
        }).find("cannot be created (No such file") != std::string::npos);
}

TEST_CASE("what the system refuses is a FileError with its reason", "[append_file]") {
  const ScratchFolder folder;
  CHECK(message_of<lorapro::FileError>([&] { AppendFile(folder.path()); }) ==
        folder.path().string() + ": cannot be opened (Is a directory)");
  AppendFile full("/dev/full");
  CHECK(message_of<lorapro::FileError>([&] { full.append("x"); }) ==
        "/dev/full: cannot be written (No space left on device)");
}

TEST_CASE("of a record that does not fit nothing stays", "[append_file][trap]") {
  const bool created = GENERATE(false, true);
  const ScratchFolder folder;
  const auto path = folder.path() / "log";
  AppendFile file = created ? std::move(*AppendFile::create(path)) : AppendFile(path);
  file.append("whole\n");
  {
    const SmallDisk disk(10);
    CHECK(message_of<lorapro::FileError>([&] {
            file.append("too long\n");
          }).find(": cannot be written (") != std::string::npos);
  }
  CHECK(contents_of(path) == "whole\n");
  file.append("next\n");
  CHECK(contents_of(path) == "whole\nnext\n");
  CHECK(file.size() == 11);
}

}  // namespace
