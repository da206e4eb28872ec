// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "atomic_file.hpp"

namespace examples {

/// The tensors of a safetensors file to be, as floats; TensorFile reads it.
class TensorWriter {
 public:
  /// \param values  row-major; as many as the shape says.
  void add(const std::string& name, std::vector<std::int64_t> shape, const float* values) {
    std::uint64_t count = 1;
    for (const auto size : shape) count *= static_cast<std::uint64_t>(size);
    const std::uint64_t begin = data_.size();
    data_.append(reinterpret_cast<const char*>(values), count * sizeof *values);
    header_[name] = {{"dtype", "F32"},
                     {"shape", std::move(shape)},
                     {"data_offsets", {begin, std::uint64_t{data_.size()}}}};
  }

  void add_metadata(const std::string& key, const std::string& value) {
    header_["__metadata__"][key] = value;
  }

  /// Writes the file or, if that fails, leaves the one that was there. \throws std::runtime_error
  void write(const std::filesystem::path& path) const {
    std::string header = header_.dump();
    header.resize((header.size() + 7) / 8 * 8, ' ');  // so that the numbers are aligned
    std::string contents;
    for (std::uint64_t size = header.size(), k = 0; k < 8; ++k, size >>= 8) {
      contents.push_back(static_cast<char>(size & 0xff));
    }
    write_atomically(path, contents + header + data_);
  }

 private:
  nlohmann::json header_ = nlohmann::json::object();
  std::string data_;
};

}  // namespace examples
