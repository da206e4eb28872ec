// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/atomic_file.hpp>

#include <optional>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

#ifdef __linux__
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>

namespace {
int flock_error = 0;        // what flock says, unless it is 0
int flock_interrupted = 0;  // how often a signal interrupts it first
}  // namespace

/// Stands in for the system's, as on a file system of another kind.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (flock_interrupted > 0) {
    --flock_interrupted;
    errno = EINTR;
    return -1;
  }
  if (flock_error == 0) return static_cast<int>(syscall(SYS_flock, descriptor, operation));
  errno = flock_error;
  return -1;
}
#endif

namespace {

namespace io = lorapro::io;

std::ptrdiff_t files_in(const ScratchFolder& folder) {
  return std::distance(std::filesystem::directory_iterator(folder.path()),
                       std::filesystem::directory_iterator());
}

TEST_CASE("a file is replaced when it is committed, not before", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto path = folder.write("file", "old");
  io::AtomicFile file(path);
  file.write("new ", 4);
  file.write("contents", 8);
  CHECK(bytes_of_file(path) == "old");
  file.commit();
  CHECK(bytes_of_file(path) == "new contents");
  CHECK(files_in(folder) == 1);
  io::write_file(path, "third");
  CHECK(bytes_of_file(path) == "third");
  io::write_file(path, "");
  CHECK(bytes_of_file(path).empty());
  CHECK(files_in(folder) == 1);
}

TEST_CASE("what is not committed leaves no trace", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto path = folder.write("file", "old");
  {
    io::AtomicFile file(path);
    file.write("new", 3);
    CHECK(files_in(folder) == 2);
  }
  CHECK(bytes_of_file(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("what a stopped program left behind is overwritten", "[io][atomic_file]") {
  const ScratchFolder folder;
  folder.write("file.part", std::string(1000, 'x'));
  io::write_file(folder.path() / "file", "new");
  CHECK(bytes_of_file(folder.path() / "file") == "new");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("two writers of one file do not mix", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  io::AtomicFile first(path);
  first.write("first", 5);
  CHECK(message_of<io::FileError>([&] { io::AtomicFile second(path); }) ==
        path.string() + ": expected one writer, got another that writes it now");
  first.commit();
  CHECK(bytes_of_file(path) == "first");
  io::write_file(path, "second");
  CHECK(bytes_of_file(path) == "second");
}

TEST_CASE("a file that cannot be written says why", "[io][atomic_file]") {
  const ScratchFolder folder;
  const std::string missing =
      message_of<io::FileError>([&] { io::write_file(folder.path() / "no" / "file", "x"); });
  CHECK(missing.find("file.part: cannot be created (") != std::string::npos);
  const auto taken = folder.path() / "taken";
  io::AtomicFile file(taken);
  std::filesystem::create_directories(taken / "inside");
  CHECK(message_of<io::FileError>([&] { file.commit(); }).find("taken.part: cannot be renamed (") !=
        std::string::npos);
  CHECK(files_in(folder) == 1);  // the temporary file is gone
  CHECK(message_of<io::FileError>([&] { io::write_file(taken, "x"); }) ==
        taken.string() + ": expected a regular file to replace, got something else");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a symbolic link stays and its target is replaced", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto at = [&](const char* name) { return folder.path() / name; };
  std::filesystem::create_directory(at("below"));
  folder.write("below/real", "old");
  std::filesystem::create_symlink("real", at("below/relative"));
  std::filesystem::create_symlink("below/relative", at("chain"));
  std::filesystem::create_symlink(at("chain"), at("absolute"));
  std::filesystem::create_directory_symlink("below", at("folder"));
  std::filesystem::create_symlink("../chain", at("below/up"));
  for (const char* const name : {"below/relative", "chain", "absolute", "folder/up"}) {
    CAPTURE(name);
    io::write_file(at(name), name);
    CHECK(bytes_of_file(at("below/real")) == name);
    CHECK(std::filesystem::is_symlink(at(name)));
  }
  CHECK_FALSE(std::filesystem::is_symlink(at("below/real")));

  std::filesystem::create_symlink("below/later", at("dangling"));
  io::write_file(at("dangling"), "made");
  CHECK(std::filesystem::is_symlink(at("dangling")));
  CHECK(bytes_of_file(at("below/later")) == "made");

  std::filesystem::create_symlink("circle", at("circle"));
  CHECK(message_of<io::FileError>([&] { io::write_file(at("circle"), "x"); }) ==
        at("circle").string() + ": expected at most 40 symbolic links to a file, got more");
}

#ifdef __linux__
TEST_CASE("the permissions of a file that is replaced stay", "[io][atomic_file]") {
  using std::filesystem::perms;
  const ScratchFolder folder;
  const auto mode_of = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions();
  };
  const auto path = folder.write("file", "old");
  const auto link = folder.path() / "link";
  std::filesystem::create_symlink("file", link);
  for (const auto mode : {perms(0600), perms(0640), perms(0444), perms(0755), perms(0666)}) {
    std::filesystem::permissions(path, mode);
    {
      // Not even meanwhile may others read what they could not read before.
      io::AtomicFile file(path);
      CHECK(mode_of(path.string() + ".part") == perms(0600));
      file.commit();
    }
    CHECK(mode_of(path) == mode);
    io::write_file(link, "new");
    CHECK(mode_of(path) == mode);
  }
  const ::mode_t mask = ::umask(0027);
  io::write_file(folder.path() / "fresh", "x");
  ::umask(mask);
  CHECK(mode_of(folder.path() / "fresh") == perms(0640));
}

TEST_CASE("where the file system has no locks a file is written without", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  CHECK(io::write_file(path, "with").empty());
  for (const int error : {ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL, EBADF}) {
    flock_error = error;
    folder.write("file.part", "left behind");
    const io::Warnings warnings = io::write_file(path, std::to_string(error));
    CHECK(bytes_of_file(path) == std::to_string(error));
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0] == path.string() + ": written without a lock, as the file system has none (" +
                             std::generic_category().message(error) + ")");
    {
      // Of two writers the later one wins, whole.
      io::AtomicFile first(path);
      first.write("first", 5);
      io::AtomicFile second(path);
      second.write("second", 6);
      first.write("first", 5);
      CHECK(message_of<io::FileError>([&] { first.commit(); }) ==
            path.string() + ": expected one writer, got another that writes it now");
      second.commit();
    }
    CHECK(bytes_of_file(path) == "second");
    {
      std::optional<io::AtomicFile> abandoned(std::in_place, path);
      io::AtomicFile second(path);
      abandoned.reset();  // must leave the name to the second
      second.commit();
    }
    flock_error = 0;
    CHECK(files_in(folder) == 1);
  }
  flock_error = EWOULDBLOCK;
  CHECK(message_of<io::FileError>([&] { io::write_file(path, "x"); }) ==
        path.string() + ": expected one writer, got another that writes it now");
  flock_error = 0;
  flock_interrupted = 3;
  CHECK(io::write_file(path, "after signals").empty());
  CHECK(flock_interrupted == 0);
}
#endif

TEST_CASE("a file in the working folder", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  io::write_file("file", "here");
  std::filesystem::current_path(before);
  CHECK(bytes_of_file(folder.path() / "file") == "here");
}

}  // namespace
