// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/atomic_file.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

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
  std::filesystem::create_directories(folder.path() / "taken" / "inside");
  const std::string taken =
      message_of<io::FileError>([&] { io::write_file(folder.path() / "taken", "x"); });
  CHECK(taken.find("taken.part: cannot be renamed (") != std::string::npos);
  CHECK(files_in(folder) == 1);  // the temporary file is gone
}

TEST_CASE("a file in the working folder", "[io][atomic_file]") {
  const ScratchFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  io::write_file("file", "here");
  std::filesystem::current_path(before);
  CHECK(bytes_of_file(folder.path() / "file") == "here");
}

}  // namespace
