// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/events/append_file.hpp>

#include <sys/resource.h>  // setrlimit
#include <sys/stat.h>      // mkfifo
#include <sys/time.h>      // setitimer

#include <csignal>
#include <limits>  // std::numeric_limits
#include <thread>

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

TEST_CASE("behind a symbolic link the file grows", "[append_file]") {
  const ScratchFolder folder;
  const auto path = folder.write("log", "old\n"), link = folder.path() / "link";
  std::filesystem::permissions(path, std::filesystem::perms(0600));
  std::filesystem::create_symlink("log", link);
  AppendFile(link).append("new\n");
  CHECK(contents_of(path) == "old\nnew\n");
  CHECK(std::filesystem::is_symlink(link));
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0600));
  std::filesystem::create_symlink("later", folder.path() / "dangling");
  AppendFile(folder.path() / "dangling").append("x");
  CHECK(contents_of(folder.path() / "later") == "x");
}

TEST_CASE("a record survives signals while it is written", "[append_file]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const std::string record(1 << 20, 'r');  // more than a pipe holds
  std::string came;
  std::thread reader([&] {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, nullptr);
    std::ifstream stream(path, std::ios::binary);
    std::string piece(65536, '\0');
    while (stream.read(piece.data(), static_cast<std::streamsize>(piece.size())) ||
           stream.gcount() > 0) {
      came.append(piece, 0, static_cast<std::size_t>(stream.gcount()));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  {
    AppendFile file(path);
    struct sigaction interrupting = {}, before = {};
    interrupting.sa_handler = [](int) {};  // without SA_RESTART
    sigaction(SIGALRM, &interrupting, &before);
    const itimerval often = {{0, 1000}, {0, 1000}}, never = {};
    setitimer(ITIMER_REAL, &often, nullptr);
    std::string failure;
    try {
      file.append(record);
    } catch (const lorapro::FileError& error) {
      failure = error.what();
    }
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before, nullptr);
    CHECK(failure == "");
  }
  reader.join();
  CHECK(came == record);
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
