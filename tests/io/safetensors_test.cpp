// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/safetensors.hpp>

#include <numeric>  // std::iota
#include <random>   // std::mt19937

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

namespace {

namespace io = lorapro::io;
using io::Dtype;
using io::FileAccess;
using io::SafetensorsReader;
using io::SafetensorsWriter;
using io::TensorSink;
using lorapro::bfloat16;
using lorapro::half;

constexpr FileAccess kAccesses[] = {FileAccess::map, FileAccess::read};

/// Two tensors and a key, byte for byte.
std::string file_by_hand() {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"BF16","shape":[3],"data_offsets":[8,14]}}  )";
  const char data[] =
      "\x00\x00\x80\x3f"  // 1
      "\x00\x00\x20\xc0"  // -2.5
      "\x80\x3f"          // 1
      "\x00\x00"          // 0
      "\x20\xc0";         // -2.5
  return safetensors_bytes(header, {data, sizeof data - 1});
}

TEST_CASE("a writer writes the file that was made by hand", "[io][safetensors]") {
  REQUIRE((file_by_hand().size() - 8 - 14) % 8 == 0);
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  const std::vector<float> b{1, -2.5F};
  const std::vector<bfloat16> a{bfloat16(1.0F), bfloat16(0.0F), bfloat16(-2.5F)};
  SafetensorsWriter file;
  file.add("a", {3}, a.data());
  file.add("b", {1, 2}, b.data());
  file.set_metadata("format", "pt");
  file.write(path);
  CHECK(bytes_of_file(path) == file_by_hand());
}

TEST_CASE("a reader reads the file that was made by hand", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.write("file", file_by_hand());
  for (const FileAccess access : kAccesses) {
    const SafetensorsReader file(path, access);
    CHECK(file.path() == path);
    CHECK(file.metadata() == io::Metadata{{"format", "pt"}});
    CHECK(file.metadata("format") == "pt");
    REQUIRE(file.tensors().size() == 2);
    CHECK(&file.at("b") == &file.tensors()[0]);
    CHECK(file.find("a") == &file.tensors()[1]);
    CHECK(file.find("c") == nullptr);

    std::vector<double> values(3);
    file.read(file.at("a", {3}), values.data());
    CHECK(values == std::vector<double>{1, 0, -2.5});
    std::vector<half> halves(2);
    file.read(file.at("b"), halves.data());
    CHECK(halves == std::vector<half>{half(1.0F), half(-2.5F)});
    float last = 0;
    file.read(file.at("b"), 1, 1, &last);
    CHECK(last == -2.5F);
    unsigned char bytes[2] = {};
    file.read_bytes(file.at("a"), 4, 2, bytes);
    CHECK(bytes[0] == 0x20);
    CHECK(bytes[1] == 0xc0);
    if (access == FileAccess::map) {
      CHECK(file.mapped(file.at("a"))[4] == 0x20);
    } else {
      CHECK(file.mapped(file.at("a")) == nullptr);
    }
  }
}

TEST_CASE("what is asked for and not there is named", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.write("file", file_by_hand());
  const SafetensorsReader file(path);
  const auto message = [&](const auto& f) { return message_of<io::FormatError>(f); };
  CHECK(message([&] { file.at("c"); }) ==
        path.string() + ": tensor \"c\": expected in the file, got none");
  CHECK(message([&] {
          file.at("b", {2, 1});
        }) == path.string() + ": tensor \"b\": expected the shape (2, 1), got (1, 2)");
  CHECK(message([&] { file.metadata("k"); }) ==
        path.string() + ": metadata: expected the key \"k\", got none");
  float value = 0;
  CHECK_THROWS_AS(file.read(file.at("b"), 1, 2, &value), lorapro::ShapeError);
  CHECK_THROWS_AS(file.read(file.at("b"), ~std::uint64_t{0}, 2, &value), lorapro::ShapeError);
  CHECK_THROWS_AS(file.read_bytes(file.at("b"), 8, 1, &value), lorapro::ShapeError);
  // An entry of another file: no byte beyond the end is read.
  io::TensorInfo foreign{"x", Dtype::f32, {4}, 8, 24};
  CHECK_THROWS_AS(file.read(foreign, 0, 4, &value), lorapro::Error);
}

TEST_CASE("a file cut anywhere is refused", "[io][safetensors]") {
  const ScratchFolder folder;
  const std::string whole = file_by_hand();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto path = folder.write("cut", whole.substr(0, size));
    for (const FileAccess access : kAccesses) {
      const std::string message =
          message_of<io::FormatError>([&] { SafetensorsReader file(path, access); });
      if (message.find(path.string() + ": ") != 0) FAIL_CHECK(size << ": " << message);
    }
  }
  CHECK(SafetensorsReader(folder.write("cut", whole)).tensors().size() == 2);
  CHECK_THROWS_AS(SafetensorsReader(folder.write("cut", whole + "x")), io::FormatError);
}

TEST_CASE("a header's length is not believed", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto message = [&](std::uint64_t length, const std::string& rest) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    const auto path = folder.write("file", bytes + rest);
    return message_of<io::FormatError>([&] { SafetensorsReader file(path); })
        .substr(path.string().size() + 2);
  };
  CHECK(message(100000001, "{}") ==
        "header: expected a length of at most 100000000, got 100000001");
  CHECK(message(~std::uint64_t{0}, "{}") ==
        "header: expected a length of at most 100000000, got 18446744073709551615");
  CHECK(message(~std::uint64_t{0} - 7, "{}").find("header: expected a length of at most") == 0);
  CHECK(message(100000000, "{}") == "header: expected 100000000 bytes, got a file of 10");
  CHECK(message(3, "{}") == "header: expected 3 bytes, got a file of 10");
  CHECK(message(0, "{}") == "header: expected '{' as its first byte");
  CHECK(message_of<io::FormatError>([&] {
          SafetensorsReader(folder.write("s", std::string("\x08\0\0\0\0\0\1", 7)));
        }).find("header: expected the 8 bytes of its length, got a file of 7") !=
        std::string::npos);
}

TEST_CASE("a file of another kind is named as what it is", "[io][safetensors]") {
  using namespace std::string_literals;
  const ScratchFolder folder;
  const auto path = folder.path() / "model.safetensors";
  const auto message = [&](const std::string& bytes) {
    folder.write("model.safetensors", bytes);
    std::string out = message_of<io::FormatError>([&] { SafetensorsReader file(path); });
    CHECK(message_of<io::FormatError>(
              [&] { SafetensorsReader file(path, io::FileAccess::read); }) == out);
    const std::string expected = path.string() + ": expected a safetensors file, got ";
    REQUIRE(out.substr(0, expected.size()) == expected);
    return out.substr(expected.size());
  };
  const std::string more(100000, 'x');
  for (const std::string& rest : {""s, more}) {
    CHECK(message("\x80\x02\x8a\nl\xfc\x9c"s + "F\xf9 j\xa8P\x19.\x80\x02M"s + rest) ==
          "a pickle, which runs code when it is read");
    CHECK(message("PK\x03\x04\0\0\x08\x08\0\0\0\0archive/data.pkl"s + rest) ==
          "PyTorch's zip archive of a pickle, which runs code when it is read");
    CHECK(message("PK\x03\x04\0\0\0\0\0\0\0\0"s + rest) == "a zip archive");
    CHECK(message("\x1f\x8b\x08\0\0\0\0\0"s + rest) == "a gzip archive");
    CHECK(message("GGUF\3\0\0\0"s + rest) == "a GGUF file");
    CHECK(message("<!DOCTYPE html>\n<html>"s + rest) == "an HTML page");
    CHECK(message("\n\n\n<html>"s + rest) == "an HTML page");
  }
  CHECK(message("version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12345\n")
            .find("a pointer of git LFS") == 0);
  CHECK(message("Entry not found") == "text that begins with \"Entry not found\"");
  CHECK(message("") == "an empty file");
  CHECK(message(std::string(4096, '\0')) == "nothing but zero bytes");
}

TEST_CASE("no byte that is changed does harm", "[io][safetensors]") {
  const ScratchFolder folder;
  const std::string whole = file_by_hand();
  std::mt19937 engine(7);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (int changes = 1 + round % 3; changes > 0; --changes)
      bytes[engine() % (bytes.size() - 14)] = static_cast<char>(engine() % 256);
    const auto path = folder.write("changed", bytes);
    try {
      const SafetensorsReader file(path, kAccesses[round % 2]);
      for (const auto& tensor : file.tensors()) {
        std::vector<unsigned char> data(static_cast<std::size_t>(tensor.bytes()));
        file.read_bytes(tensor, 0, data.size(), data.data());
        if (!io::storage_type_of(tensor.dtype)) continue;
        std::vector<float> values(static_cast<std::size_t>(tensor.count()));
        file.read(tensor, values.data());
      }
    } catch (const lorapro::FormatError&) {
      ++refused;
    }
  }
  CHECK(refused > 2000);
  CHECK(refused < 3000);  // a letter of a name may change
}

TEST_CASE("tensors are sorted, and aligned, in the file", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  const std::vector<double> numbers{1, 2, 3};
  const auto bytes_for = [](TensorSink& sink) {
    const std::vector<unsigned char> bytes(static_cast<std::size_t>(sink.tensor().bytes()),
                                           static_cast<unsigned char>(sink.tensor().name[0]));
    sink.write_bytes(bytes.data(), bytes.size());
  };
  SafetensorsWriter file;
  for (const io::DtypeInfo& dtype : io::kDtypes)
    file.add(std::string(dtype.name), dtype.dtype, {4}, bytes_for);
  file.add("z", Dtype::f32, {3}, bytes_for);
  file.add("empty", Dtype::f32, {0, 5}, bytes_for);
  file.add("scalar", {}, numbers.data());
  file.write(path);
  const SafetensorsReader read(path);
  REQUIRE(read.tensors().size() == io::kDtypes.size() + 3);
  for (std::size_t i = 1; i < read.tensors().size(); ++i) {
    const auto &before = read.tensors()[i - 1], &tensor = read.tensors()[i];
    if (before.begin == before.end || tensor.begin == tensor.end) continue;
    CHECK(before.dtype >= tensor.dtype);
    if (before.dtype == tensor.dtype) CHECK(before.name < tensor.name);
  }
  for (const auto& tensor : read.tensors()) {
    CHECK(tensor.begin % std::max(io::info(tensor.dtype).bits / 8, 1U) == 0);
    if (tensor.bytes() == 0) continue;
    const unsigned char* const bytes = read.mapped(tensor);
    if (tensor.name != "scalar") CHECK(bytes[tensor.bytes() - 1] == tensor.name[0]);
  }
  double scalar = 0;
  read.read(read.at("scalar", {}), &scalar);
  CHECK(scalar == 1);
  CHECK(message_of<io::FormatError>([&] {
          read.read(read.at("I64"), &scalar);
        }).find("tensor \"I64\": expected F64, F32, F16 or BF16, got I64") != std::string::npos);
}

TEST_CASE("numbers pass through every dtype", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  std::vector<float> values(10000);  // more than one block
  std::iota(values.begin(), values.end(), -5000.0F);
  for (float& value : values) value = std::floor(value / 64) / 8;  // exact in 8 bits
  SafetensorsWriter file;
  for (const Dtype dtype : {Dtype::f64, Dtype::f32, Dtype::f16, Dtype::bf16})
    file.add(std::string(io::info(dtype).name), dtype, {100, 100}, [&](TensorSink& sink) {
      sink.write(values.data(), 7);
      sink.write(values.data() + 7, values.size() - 7);
    });
  file.write(path);
  for (const FileAccess access : kAccesses) {
    const SafetensorsReader read(path, access);
    for (const auto& tensor : read.tensors()) {
      std::vector<float> back(values.size());
      read.read(tensor, back.data());
      CHECK(back == values);
      read.read(tensor, 4999, 3, back.data());
      CHECK(back[2] == values[5001]);
    }
  }
}

TEST_CASE("a tensor that cannot be is refused when it is declared", "[io][safetensors]") {
  SafetensorsWriter file;
  const float value = 1;
  file.add("a", {1}, &value);
  CHECK(message_of<lorapro::ConfigError>([&] { file.add("a", {1}, &value); }) ==
        "name: expected one of its own, got \"a\" again");
  CHECK(message_of<lorapro::ConfigError>([&] { file.add("__metadata__", {1}, &value); }) ==
        "name: expected another than \"__metadata__\", under which the format keeps metadata: no "
        "tensor can have it");
  CHECK(message_of<lorapro::ConfigError>([&] {
          file.add("b", Dtype::f4, {3}, [](TensorSink&) {});
        }) == "tensor \"b\": expected whole bytes, got the shape (3) of F4");
  CHECK_THROWS_AS(file.add("b", {1ULL << 32, 1ULL << 32}, &value), lorapro::ConfigError);
}

TEST_CASE("a file that cannot be finished leaves the old one", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.write("file", "old");
  const auto message = [&](std::size_t count) {
    SafetensorsWriter file;
    file.add("a", Dtype::f32, {2}, [&](TensorSink& sink) {
      const std::vector<float> values(count);
      sink.write(values.data(), values.size());
    });
    return message_of<lorapro::StateError>([&] { file.write(path); });
  };
  CHECK(message(1) == "tensor \"a\": expected 8 bytes, got 4");
  CHECK(message(3) == "tensor \"a\": expected 8 bytes, got 12");
  SafetensorsWriter integers;
  integers.add("a", Dtype::i32, {1}, [](TensorSink& sink) {
    const float value = 1;
    sink.write(&value, 1);
  });
  CHECK(message_of<lorapro::ConfigError>([&] { integers.write(path); }) ==
        "dtype: expected F64, F32, F16 or BF16, got I32");
  SafetensorsWriter broken;
  broken.add("a", Dtype::f32, {1}, [](TensorSink&) { throw std::out_of_range("mine"); });
  CHECK_THROWS_AS(broken.write(path), std::out_of_range);
  SafetensorsWriter endless;
  const float value = 1;
  endless.add("a", {1ULL << 58}, &value);
  endless.add("b", {1ULL << 58}, &value);
  for (const char* const name :
       {"c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r"})
    endless.add(name, {1ULL << 58}, &value);
  CHECK(message_of<lorapro::ConfigError>([&] { endless.write(path); }) ==
        "tensors: expected less than 2^64 bytes");
  CHECK(bytes_of_file(path) == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()),
                      std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("names and values of any UTF-8 come back", "[io][safetensors]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "file";
  const std::string odd = "\"\\/\b\f\n\r\t\x01\x7f \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  const float value = 1;
  SafetensorsWriter file;
  file.set_metadata(odd, odd + odd);
  file.add(odd, {1}, &value);
  file.add("", {1}, &value);
  file.write(path);
  const SafetensorsReader read(path);
  CHECK(read.metadata(odd) == odd + odd);
  CHECK(read.find(odd) != nullptr);
  CHECK(read.find("") != nullptr);
}

}  // namespace
