// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/data_files.hpp"

#include <lorapro/core/file_error.hpp>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace llm = examples::llm;
using lorapro::FormatError;

TEST_CASE("the parts of a folder of data", "[data_files]") {
  const ScratchFolder folder;
  const auto none = message_of<FormatError>([&] { llm::find_data(folder.path()); });
  CHECK_THAT(none, contains_text("expected train.jsonl or train.txt"));
  folder.write("train.jsonl", "");
  folder.write("test.txt", "");
  const auto paths = llm::find_data(folder.path());
  CHECK(paths.train == folder.path() / "train.jsonl");
  CHECK_FALSE(paths.valid);
  CHECK(paths.test == folder.path() / "test.txt");
  folder.write("train.txt", "");
  CHECK_THAT(message_of<FormatError>([&] { llm::find_data(folder.path()); }),
             contains_text("expected train.jsonl or train.txt, got both"));
}

TEST_CASE("a file is training data alone", "[data_files]") {
  const ScratchFolder folder;
  const auto path = folder.write("my.jsonl", "");
  const auto paths = llm::find_data(path);
  CHECK(paths.train == path);
  CHECK_FALSE(paths.valid);
  CHECK_FALSE(paths.test);
  CHECK_THROWS_AS(llm::find_data(folder.path() / "absent"), lorapro::FileError);
}

TEST_CASE("a running text is one example", "[data_files]") {
  const ScratchFolder folder;
  const auto file = llm::read_data(folder.write("a.txt", "One\n\ntwo"));
  REQUIRE(file.examples.size() == 1);
  CHECK(std::get<llm::RunningText>(file.examples[0].content).text == "One\n\ntwo");
  const auto read = [&](const std::string& name, const std::string& contents) {
    const auto path = folder.write(name, contents);
    return message_of<FormatError>([&] { llm::read_data(path); });
  };
  CHECK_THAT(read("b.txt", "\xc0\x80"), contains_text("b.txt: expected text in UTF-8"));
  CHECK_THAT(read("c.txt", ""), contains_text("c.txt: expected a text, got none"));
  CHECK_THAT(read("d.json", "[]"), contains_text("d.json: expected a name that ends in .jsonl"));
}

}  // namespace
