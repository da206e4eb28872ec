// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/text_files.hpp"

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

TEST_CASE("plain text is ASCII", "[text_files]") {
  CHECK(examples::plain_text("a\n\tb\r\x01\x7f") == "a\n\tb");
  CHECK(examples::plain_text("\xe2\x80\x9cIt\xe2\x80\x99s\xe2\x80\x9d \xe2\x80\x94 caf\xc3\xa9") ==
        "\"It's\" -- caf");
  CHECK(examples::plain_text("a\xe2\x80") == "a");  // cut within a character
  CHECK(examples::plain_text("").empty());
}

TEST_CASE("what cannot be printed becomes a question mark", "[text_files]") {
  CHECK(examples::printable("a b~\n\x1b[2J\x80\x7f") == "a b~??[2J??");
}

TEST_CASE("files are found in order", "[text_files]") {
  const ScratchFolder folder;
  folder.write("b.txt", "second");
  folder.write("a.txt", "first");
  folder.write("c.cfg", "other");
  std::filesystem::create_directories(folder.path() / "deep");
  folder.write("deep/d.txt", "");
  const auto files = examples::files_below(folder.path(), ".txt");
  REQUIRE(files.size() == 3);
  CHECK(files[0].filename() == "a.txt");
  CHECK(files[2].filename() == "d.txt");
  CHECK(examples::read_text(files[1]) == "second");
  CHECK(examples::read_text(files[2]).empty());
}

TEST_CASE("what is missing is said", "[text_files]") {
  CHECK_THROWS_AS(examples::files_below("/nonexistent", ".txt"), examples::DataMissing);
  CHECK_THROWS_AS(examples::read_text("/nonexistent.txt"), examples::DataError);
}

}  // namespace
