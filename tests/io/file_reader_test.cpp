// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/file_reader.hpp>

#include <unistd.h>  // sysconf

#include <cstdint>  // std::uintptr_t
#include <cstdio>   // std::sscanf
#include <fstream>  // std::ifstream

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace io = lorapro::io;
using io::FileAccess;
using io::FileReader;

TEST_CASE("a file is read in pieces, mapped or not", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto path = folder.write("letters", "abcdefgh");
  for (const FileAccess access : {FileAccess::map, FileAccess::read}) {
    const FileReader file(path, access);
    CHECK(file.size() == 8);
    CHECK(file.path() == path);
    CHECK((file.mapped() != nullptr) == (access == FileAccess::map));
    if (access == FileAccess::map) CHECK(file.mapped()[7] == 'h');
    char bytes[9] = {};
    file.read(5, 3, bytes);
    CHECK(std::string(bytes) == "fgh");
    file.read(0, 8, bytes);  // also after the end was reached
    CHECK(std::string(bytes) == "abcdefgh");
    file.read(8, 0, nullptr);

    char untouched[] = "....";
    CHECK(message_of<io::FileError>([&] { file.read(6, 3, untouched); }) ==
          path.string() + ": expected 3 bytes at 6, got a file of 8");
    CHECK_THROWS_AS(file.read(9, 0, untouched), io::FileError);
    CHECK_THROWS_AS(file.read(~std::uint64_t{0}, 2, untouched), io::FileError);
    CHECK(std::string(untouched) == "....");
  }
}

#ifdef __linux__
/// The kB of a mapping that are in memory. The process's own count lags behind by what its threads
/// have not yet added.
long resident_kb(const void* mapped) {
  const auto address = reinterpret_cast<std::uintptr_t>(mapped);
  std::ifstream maps("/proc/self/smaps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long long first = 0, last = 0;
    long kb = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx ", &first, &last) == 2)
      found = first <= address && address < last;
    else if (found && std::sscanf(line.c_str(), "Rss: %ld", &kb) == 1)
      return kb;
  }
  return -1;
}
#endif

TEST_CASE("bytes that are forgotten leave memory and can be read again", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::string text(1024 * page, '.');
  for (std::size_t i = 0; i < text.size(); i += page)
    text[i] = static_cast<char>('a' + i / page % 26);
  const auto path = folder.write("pages", text);
  for (const FileAccess access : {FileAccess::map, FileAccess::read}) {
    const FileReader file(path, access);
    std::string bytes(text.size(), ' ');
    file.read(0, bytes.size(), bytes.data());
#ifdef __linux__
    const auto in_memory = [&] { return resident_kb(file.mapped()); };
    const long whole = static_cast<long>(text.size() / 1024);
    if (access == FileAccess::map) REQUIRE(in_memory() > whole / 2);
    file.forget(1, text.size() - 2);
    if (access == FileAccess::map) CHECK(in_memory() < whole / 8);
#endif
    // Beyond the file, within a page, and nothing at all.
    file.forget(text.size() + 1, 5);
    file.forget(3, ~std::uint64_t{0} - 3);
    file.forget(5, 7);
    file.forget(0, 0);
    bytes.assign(text.size(), ' ');
    file.read(0, bytes.size(), bytes.data());
    CHECK(bytes == text);
  }
}

TEST_CASE("an empty file is a file", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto path = folder.write("nothing", "");
  for (const FileAccess access : {FileAccess::map, FileAccess::read})
    CHECK(FileReader(path, access).size() == 0);
}

TEST_CASE("a reader can be moved", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto path = folder.write("letters", "abc");
  for (const FileAccess access : {FileAccess::map, FileAccess::read}) {
    FileReader first(path, access);
    FileReader second(std::move(first));
    FileReader third(folder.write("other", "xy"), access);
    third = std::move(second);
    char bytes[4] = {};
    third.read(0, 3, bytes);
    CHECK(std::string(bytes) == "abc");
    CHECK(third.path() == path);
  }
}

TEST_CASE("what is no file that can be read is refused", "[io][file_reader]") {
  const ScratchFolder folder;
  for (const FileAccess access : {FileAccess::map, FileAccess::read}) {
    const std::string missing =
        message_of<io::FileError>([&] { FileReader(folder.path() / "missing", access); });
    CHECK(missing.find("missing: expected a file, got none") != std::string::npos);
    const std::string other = message_of<io::FileError>([&] { FileReader(folder.path(), access); });
    CHECK(other.find("expected a regular file, got something else") != std::string::npos);
  }
}

TEST_CASE("a path that cannot be looked at says why", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto path = folder.path() / std::string(1000, 'x');
  CHECK(message_of<io::FileError>([&] { const FileReader file(path); }) ==
        path.string() + ": cannot be looked at (File name too long)");
}

TEST_CASE("a file that was shortened is refused by reads", "[io][file_reader]") {
  const ScratchFolder folder;
  const auto path = folder.write("long", std::string(100000, 'x'));
  const FileReader file(path, FileAccess::read);
  std::filesystem::resize_file(path, 10);
  std::string bytes(100000, '\0');
  CHECK_THROWS_AS(file.read(0, bytes.size(), bytes.data()), io::FileError);
  file.read(0, 10, bytes.data());
  CHECK(bytes.substr(0, 11) == "xxxxxxxxxx" + std::string(1, bytes[10]));
}

}  // namespace
