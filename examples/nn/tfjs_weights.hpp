// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <zlib.h>  // crc32_z

#include <cmath>  // std::isfinite
#include <cstddef>
#include <cstdint>
#include <cstring>  // std::memcpy
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "../support/labelled_images.hpp"

namespace examples::nn {

/// The float tensors of a TensorFlow.js model: `model.json` has a "weightsManifest", groups of
/// {"paths": [files beside it], "weights": [{"name", "shape", "dtype"}]}, and the files of a group
/// put together hold its tensors one after the other, row-major and little-endian. int32 tensors
/// are checked and left out; quantized ones are refused.
class TfjsWeights {
 public:
  /// \throws DataMissing if a file is not there; DataError if one is not as described.
  explicit TfjsWeights(const std::filesystem::path& model_json) : path_(model_json) {
    constexpr std::uintmax_t kMaxJsonBytes = std::uintmax_t{16} << 20;
    const std::string text = read_file(model_json, kMaxJsonBytes);
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("weightsManifest") ||
        !json["weightsManifest"].is_array()) {
      fail("is not a JSON object with an array \"weightsManifest\"");
    }
    for (const auto& group : json["weightsManifest"]) read_group(group);
  }

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }

  /// The tensor `name`, row-major, which must have this shape.
  /// \throws DataError if there is none, or one of another shape, or one that is not finite.
  const std::vector<float>& get(const std::string& name,
                                const std::vector<std::size_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) fail("lacks the tensor " + name);
    if (found->second.shape != shape) fail("has the tensor " + name + " in another shape");
    for (const float value : found->second.values) {
      if (!std::isfinite(value)) fail("has the tensor " + name + " with numbers not finite");
    }
    return found->second.values;
  }

  /// A checksum of all weight files, which tells one model from another.
  std::uint32_t fingerprint() const { return fingerprint_; }

 private:
  struct Tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(path_.string() + ": " + what);
  }

  static std::string read_file(const std::filesystem::path& path, std::uintmax_t max_bytes) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) throw DataMissing("there is no " + path.string());
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error) throw DataError(path.string() + ": is not a file");
    if (size > max_bytes) {
      throw DataError(path.string() + ": is larger than " + std::to_string(max_bytes) + " bytes");
    }
    std::string bytes(size, '\0');
    std::ifstream file(path, std::ios::binary);
    if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) {
      throw DataError(path.string() + ": cannot be read");
    }
    return bytes;
  }

  void read_group(const nlohmann::json& group) {
    if (!group.is_object() || !group.contains("paths") || !group["paths"].is_array() ||
        !group.contains("weights") || !group["weights"].is_array()) {
      fail("has a group of weights without \"paths\" and \"weights\"");
    }
    constexpr std::uintmax_t kMaxShardBytes = std::uintmax_t{256} << 20;
    std::string bytes;
    for (const auto& item : group["paths"]) {
      if (!item.is_string()) fail("has a path that is not a string");
      const std::filesystem::path name = item.get<std::string>();
      // Only files beside the manifest: it must not send us elsewhere.
      if (name.empty() || name.has_parent_path() || name == "." || name == "..") {
        fail("has the path " + name.string() + ", which is not a file name");
      }
      bytes += read_file(path_.parent_path() / name, kMaxShardBytes);
    }
    fingerprint_ = static_cast<std::uint32_t>(
        crc32_z(fingerprint_, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    std::size_t offset = 0;
    for (const auto& weight : group["weights"]) offset += read_tensor(weight, bytes, offset);
    if (offset != bytes.size()) fail("describes fewer bytes than its weight files have");
  }

  /// \return the bytes of the tensor.
  std::size_t read_tensor(const nlohmann::json& weight, const std::string& bytes,
                          std::size_t offset) {
    if (!weight.is_object() || !weight.contains("name") || !weight["name"].is_string() ||
        !weight.contains("dtype") || !weight["dtype"].is_string() || !weight.contains("shape") ||
        !weight["shape"].is_array()) {
      fail("has a weight without \"name\", \"dtype\" and \"shape\"");
    }
    const std::string name = weight["name"];
    const std::string dtype = weight["dtype"];
    if (weight.contains("quantization")) fail("has the quantized tensor " + name);
    if (dtype != "float32" && dtype != "int32") {
      fail("has " + name + " as " + dtype + ", not float32 or int32");
    }
    const std::size_t left = (bytes.size() - offset) / sizeof(float);
    Tensor tensor;
    std::size_t count = 1;
    for (const auto& item : weight["shape"]) {
      if (!item.is_number_unsigned()) fail("has a size of " + name + " that is not a number");
      const auto size = item.get<std::size_t>();
      if (size == 0 || size > left / count) fail("has " + name + " beyond its weight files");
      count *= size;
      tensor.shape.push_back(size);
    }
    if (count > left) fail("has " + name + " beyond its weight files");
    if (dtype == "float32") {
      tensor.values.resize(count);
      for (std::size_t i = 0; i < count; ++i) {
        const char* source = bytes.data() + offset + i * sizeof(float);
        std::uint32_t bits = 0;
        for (int k = 3; k >= 0; --k) bits = bits << 8 | static_cast<unsigned char>(source[k]);
        std::memcpy(&tensor.values[i], &bits, sizeof bits);
      }
      if (!tensors_.emplace(name, std::move(tensor)).second) fail("has " + name + " twice");
    }
    return count * sizeof(float);
  }

  std::filesystem::path path_;
  std::map<std::string, Tensor> tensors_;
  std::uint32_t fingerprint_ = 0;
};

}  // namespace examples::nn
