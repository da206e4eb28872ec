// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

/// The tensors of a safetensors file whose elements are F32 or F64, as doubles. Every size and
/// offset of the header is checked against the file before it is used.
class TensorFile {
 public:
  struct Tensor {
    std::vector<std::int64_t> shape;
    std::vector<double> values;  // row-major
  };

  /// Throws std::runtime_error that names the file and what is wrong with it.
  explicit TensorFile(const std::string& path) : path_(path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) fail("cannot be opened");
    const std::string bytes((std::istreambuf_iterator<char>(stream)),
                            std::istreambuf_iterator<char>());
    if (bytes.size() < 8) fail("is shorter than the 8 bytes of a header length");
    std::uint64_t header_size = 0;
    for (int k = 7; k >= 0; --k)
      header_size = header_size << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(k)]);
    if (header_size > bytes.size() - 8) fail("has a header that ends beyond the file");
    const auto first = bytes.begin() + 8;
    const auto data = first + static_cast<std::ptrdiff_t>(header_size);
    const auto header = nlohmann::json::parse(first, data, nullptr, false);
    if (!header.is_object()) fail("has a header that is not a JSON object");
    const auto available = static_cast<std::uint64_t>(bytes.end() - data);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        if (!entry.is_object()) fail("has metadata that is not an object");
        for (const auto& [key, value] : entry.items())
          if (value.is_string()) metadata_[key] = value.get<std::string>();
      } else {
        tensors_[name] = read(name, entry, &*bytes.begin() + 8 + header_size, available);
      }
    }
  }

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }

  /// A tensor that must be there with this shape.
  const std::vector<double>& get(const std::string& name,
                                 const std::vector<std::int64_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("lacks the tensor " + name);
    if (found->second.shape != shape) fail("has the tensor " + name + " in another shape");
    return found->second.values;
  }

  const std::string& metadata(const std::string& key) const {
    const auto found = metadata_.find(key);
    if (found == metadata_.end()) fail("lacks the metadata entry " + key);
    return found->second;
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw std::runtime_error(path_ + ": " + problem);
  }

 private:
  Tensor read(const std::string& name, const nlohmann::json& entry, const char* data,
              std::uint64_t available) const {
    const bool well_formed =
        entry.is_object() && entry.contains("dtype") && entry["dtype"].is_string() &&
        entry.contains("shape") && entry["shape"].is_array() && entry.contains("data_offsets") &&
        entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2 &&
        entry["data_offsets"][0].is_number_unsigned() &&
        entry["data_offsets"][1].is_number_unsigned();
    if (!well_formed) fail("describes the tensor " + name + " in a way that is not safetensors");
    const std::string dtype = entry["dtype"];
    if (dtype != "F64" && dtype != "F32") fail("has " + name + " as " + dtype + ", not F32 or F64");
    const std::uint64_t element = dtype == "F64" ? 8 : 4;
    const std::uint64_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    if (begin > end || end > available) fail("has " + name + " beyond the end of the file");
    Tensor tensor;
    std::uint64_t count = 1;
    for (const auto& size : entry["shape"]) {
      if (!size.is_number_unsigned()) fail("has a size of " + name + " that is not a number");
      const std::uint64_t value = size;
      if (value != 0 && count > available / value) fail("has " + name + " larger than the file");
      count *= value;
      tensor.shape.push_back(static_cast<std::int64_t>(value));
    }
    if (count * element != end - begin) fail("has a size of " + name + " unlike its shape");
    tensor.values.resize(count);
    for (std::uint64_t k = 0; k < count; ++k) {
      const char* const source = data + begin + k * element;
      if (element == 8) {
        std::memcpy(&tensor.values[k], source, 8);
      } else {
        float value = 0;
        std::memcpy(&value, source, 4);
        tensor.values[k] = static_cast<double>(value);
      }
    }
    return tensor;
  }

  std::string path_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace example
