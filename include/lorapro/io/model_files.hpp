// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/json_document.hpp>
#include <lorapro/io/safetensors.hpp>

#include <memory>    // std::unique_ptr
#include <optional>  // std::optional

LORAPRO_NAMESPACE_BEGIN
namespace io {
namespace detail {

inline constexpr const char* kShardIndexName = "model.safetensors.index.json";
inline constexpr const char* kSingleName = "model.safetensors";

/// The safetensors files of a model: one, or shards with their index. Each is open, so that what
/// was checked is what is read.
class ModelFiles {
 public:
  /// \param base  a file; or a folder, whose shards come by its index, or model.safetensors.
  /// \throws FormatError (an index that is not its shards'), FileError.
  explicit ModelFiles(const std::filesystem::path& base)
      : is_folder_(std::filesystem::is_directory(base)),
        folder_(is_folder_ ? base : base.parent_path()) {
    std::error_code ignored;
    if (!is_folder_) {
      add(base);
    } else if (std::filesystem::exists(base / kShardIndexName, ignored)) {
      read_index(base / kShardIndexName);
    } else {
      add(base / kSingleName);
    }
  }

  bool is_folder() const { return is_folder_; }
  /// Where its config.json would be.
  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<std::unique_ptr<SafetensorsReader>>& files() const { return files_; }

  struct Found {
    const SafetensorsReader* file;
    const TensorInfo* tensor;
  };

  /// A tensor of any of the files, or nothing.
  std::optional<Found> find(const std::string& name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional<Found>(found->second);
  }
  const std::map<std::string, Found>& tensors() const { return tensors_; }

  /// Where a file is written to. \param out  a file or a folder, as the base is.
  std::filesystem::path target(const SafetensorsReader& file,
                               const std::filesystem::path& out) const {
    return is_folder_ ? out / file.path().filename() : out;
  }

  /// Puts a tensor that was written into a shard into the index, or the new size of one.
  void note_in_index(const std::string& name, const SafetensorsReader& shard, std::uint64_t bytes,
                     std::uint64_t count) {
    if (index_.is_null()) return;
    const auto before = find(name);
    index_["weight_map"][name] = shard.path().filename().string();
    const auto adjust = [&](const char* field, std::uint64_t now, std::uint64_t then) {
      const auto metadata = index_.find("metadata");
      if (metadata == index_.end() || !metadata->is_object()) return;
      const auto size = metadata->find(field);
      if (size != metadata->end() && size->is_number_unsigned())
        *size = size->get<std::uint64_t>() + now - then;
    };
    adjust("total_size", bytes, before ? before->tensor->bytes() : 0);
    adjust("total_parameters", count, before ? before->tensor->count() : 0);
  }

  /// Writes the index into the folder, if there is one. \throws FileError.
  Warnings write_index(const std::filesystem::path& out) const {
    return index_.is_null() ? Warnings{} : write_file(out / kShardIndexName, index_.dump(2) + "\n");
  }

 private:
  const SafetensorsReader& add(const std::filesystem::path& path) {
    files_.push_back(std::make_unique<SafetensorsReader>(path));
    for (const TensorInfo& tensor : files_.back()->tensors())
      tensors_.emplace(tensor.name, Found{files_.back().get(), &tensor});
    return *files_.back();
  }

  void read_index(const std::filesystem::path& path) {
    const auto fail = [&](const std::string& problem) {
      throw FormatError(path.string() + ": weight_map: " + problem);
    };
    index_ = read_document<nlohmann::json>(path);
    const auto map = index_.find("weight_map");
    if (map == index_.end() || !map->is_object() || map->empty())
      fail("expected an object of tensors and files, got something else");
    std::map<std::string, std::set<std::string>> shards;
    for (const auto& [tensor, file] : map->items()) {
      if (!file.is_string()) fail(quoted_name(tensor) + ": expected the name of a file");
      const auto& name = file.get_ref<const std::string&>();
      // An index must not lead out of its folder.
      if (name.find_first_of("/\\") != std::string::npos || name.find('\0') != std::string::npos ||
          std::filesystem::path(name).extension() != ".safetensors")
        fail(quoted_name(tensor) + ": expected a .safetensors file in the same folder, got " +
             quoted_name(name));
      shards[name].insert(tensor);
    }
    for (const auto& [name, tensors] : shards) {
      const SafetensorsReader& shard = add(folder_ / name);
      for (const TensorInfo& tensor : shard.tensors())
        if (tensors.count(tensor.name) == 0)
          fail("expected an entry for " + quoted_name(tensor.name) + " of " + quoted_name(name) +
               ", got none");
      for (const std::string& tensor : tensors)
        if (shard.find(tensor) == nullptr)
          fail(quoted_name(tensor) + ": expected it in " + quoted_name(name) + ", got none there");
    }
  }

  bool is_folder_;
  std::filesystem::path folder_;
  nlohmann::json index_;  // null where there is none
  std::vector<std::unique_ptr<SafetensorsReader>> files_;
  std::map<std::string, Found> tensors_;
};

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
