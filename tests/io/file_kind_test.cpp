// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/file_kind.hpp>

#include "support/catch.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

namespace {

using lorapro::io::detail::kind_of_file;
using namespace std::string_view_literals;

const std::string kPickle = "a pickle, which runs code when it is read";

TEST_CASE("files are told by their first bytes", "[io][file_kind]") {
  const auto kind = [](std::string_view bytes) { return kind_of_file(bytes); };
  CHECK(kind("") == "an empty file");
  CHECK(kind("\x80\x02\x8a\nl\xfc\x9c"
             "F\xf9 j\xa8P\x19."sv) == kPickle);
  CHECK(kind("\x80\x05}q\0."sv) == kPickle);
  CHECK(kind("PK\x03\x04\0\0\x08\x08\0\0"
             "archive/data.pkl"sv) == "PyTorch's zip archive of " + kPickle);
  CHECK(kind("PK\x03\x04\x14\0\0\0\x08\0word/document.xml"sv) == "a zip archive");
  CHECK(kind("PK\x05\x06"sv) == "an empty zip archive");
  CHECK(kind("GGUF\x03\0\0\0"sv) == "a GGUF file");
  CHECK(kind("\x1f\x8b\x08\0\0\0\0\0"sv) == "a gzip archive");
  CHECK(kind("BZh91AY") == "a bzip2 archive");
  CHECK(kind("\xfd"
             "7zXZ\0"sv) == "an xz archive");
  CHECK(kind("\x28\xb5\x2f\xfd\x04") == "a zstd archive");
  CHECK(kind("7z\xbc\xaf\x27\x1c") == "a 7z archive");
  CHECK(kind("\x89HDF\r\n\x1a\n") == "an HDF5 file");
  CHECK(kind("\x93NUMPY\x01") == "an array of NumPy");
  CHECK(kind("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
            .find("a pointer of git LFS") == 0);
  CHECK(kind("/annex/objects/SHA256E-s1--0.safetensors\n").find("a pointer of git-annex") == 0);
  CHECK(kind(std::string(257, 'a') + "ustar") == "a tar archive");
  CHECK(kind(std::string(512, '\0')) == "nothing but zero bytes");
  CHECK(kind("\x01\x02\x03") == "");
}

TEST_CASE("text is told by what it says", "[io][file_kind]") {
  for (const char* const page : {"<!DOCTYPE html>", "<!doctype HTML>", "\n  <html lang=\"en\">",
                                 "\xef\xbb\xbf<HTML>", "<head>", "<body>"})
    CHECK(kind_of_file(page) == "an HTML page");
  CHECK(kind_of_file("<?xml version=\"1.0\"?><Error/>") == "an XML document");
  CHECK(kind_of_file("{\"error\": \"not found\"}") == "JSON text");
  CHECK(kind_of_file(" [1]") == "JSON text");
  CHECK(kind_of_file(" \n\t") == "white space");
  CHECK(kind_of_file("Entry not found") == "text that begins with \"Entry not found\"");
  CHECK(kind_of_file("Invalid username or password.\nmore") ==
        "text that begins with \"Invalid username or password.\"");
}

TEST_CASE("a safetensors file is none of the others", "[io][file_kind]") {
  // Lengths of headers that begin as pickles, gzip and zip archives do.
  for (const std::uint64_t length : {0x0280U, 0x7d0280U, 0x088b1fU, 0x04034b50U, 2U, 0U}) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    CHECK(kind_of_file(bytes + "{}") == "a safetensors file");
    CHECK(kind_of_file(bytes).find("pickle") == std::string::npos);
  }
  CHECK(kind_of_file(safetensors_bytes("{}", "")) == "a safetensors file");
}

TEST_CASE("the kind of a file that is open", "[io][file_kind]") {
  const ScratchFolder folder;
  const auto page = folder.write("page", "<html>" + std::string(100000, ' '));
  CHECK(kind_of_file(lorapro::io::FileReader(page)) == "an HTML page");
  CHECK(kind_of_file(lorapro::io::FileReader(folder.write("none", ""))) == "an empty file");
}

}  // namespace
