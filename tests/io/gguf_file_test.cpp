// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_file.hpp>

#include "support/catch.hpp"
#include "support/gguf_bytes.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace io = lorapro::io;
using gguf_bytes::Bytes;

Bytes small_file() {
  return Bytes()
      .header(1, 1)
      .key("general.name", gguf_bytes::text)
      .string("small")
      .tensor("t", {2}, 0, 0)
      .pad()
      .put(1.0F)
      .put(2.0F)
      .pad();
}

TEST_CASE("a GGUF file on a disk is read as its bytes are", "[gguf_file]") {
  const ScratchFolder folder;
  const io::GgufFile file(folder.write("x.gguf", small_file().str()));
  CHECK(file.reader().get<std::string>("general.name") == "small");
  REQUIRE(file.reader().tensors().size() == 1);
  float values[2];
  io::read_gguf(file.reader().tensors()[0], 0, 2, values);
  CHECK(values[0] == 1);
  CHECK(values[1] == 2);
}

TEST_CASE("what is read stays while the file of that name is another", "[gguf_file]") {
  const ScratchFolder folder;
  const auto path = folder.write("x.gguf", small_file().str());
  const io::GgufFile file(path);
  std::filesystem::remove(path);
  folder.write("x.gguf", "another");
  float second = 0;
  io::read_gguf(file.reader().tensors()[0], 1, 1, &second);
  CHECK(second == 2);
}

TEST_CASE("messages about a GGUF file begin with its path", "[gguf_file]") {
  const ScratchFolder folder;
  const std::string text = small_file().str();
  for (const std::string& bytes : {std::string(), std::string("GGUX"), text.substr(0, 40)}) {
    const auto path = folder.write("x.gguf", bytes);
    const auto message = message_of<lorapro::FormatError>([&] { io::GgufFile file(path); });
    CHECK(message.rfind(path.string() + ": ", 0) == 0);
  }
  const auto missing = folder.path() / "none.gguf";
  CHECK_THAT(message_of<io::FileError>([&] { io::GgufFile file(missing); }),
             contains_text("none.gguf: expected a file, got none"));
}

}  // namespace
