// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/peft_adapter.hpp>

#include <set>  // std::set

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// What became of the tensors of a base checkpoint.
struct MergeReport {
  std::size_t merged = 0;    ///< weights to which a module was added, or from which it was taken
  std::size_t replaced = 0;  ///< tensors that the adapter has whole
  std::size_t copied = 0;    ///< all others, byte for byte
};

namespace detail {

inline constexpr const char* kShardIndexName = "model.safetensors.index.json";
inline constexpr const char* kSingleName = "model.safetensors";

/// The files of a checkpoint and where each is written to.
struct CheckpointFiles {
  std::vector<std::pair<std::filesystem::path, std::filesystem::path>> files;
  std::string index;  // text of the index, or empty
};

/// A folder's shards by its index, its model.safetensors, or a file of its own.
inline CheckpointFiles checkpoint_files(const std::filesystem::path& base,
                                        const std::filesystem::path& out) {
  CheckpointFiles found;
  if (!std::filesystem::is_directory(base)) {
    found.files.emplace_back(base, out);
    return found;
  }
  const auto index_path = base / kShardIndexName;
  if (!std::filesystem::exists(index_path)) {
    found.files.emplace_back(base / kSingleName, out / kSingleName);
    return found;
  }
  const auto fail = [&](const std::string& problem) {
    throw FormatError(index_path.string() + ": weight_map: " + problem);
  };
  const auto index = read_document<nlohmann::json>(index_path);
  const auto map = index.find("weight_map");
  if (map == index.end() || !map->is_object() || map->empty())
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
    const SafetensorsReader shard(base / name);
    for (const TensorInfo& tensor : shard.tensors())
      if (tensors.count(tensor.name) == 0)
        fail("expected an entry for " + quoted_name(tensor.name) + " of " + quoted_name(name) +
             ", got none");
    for (const std::string& tensor : tensors)
      if (shard.find(tensor) == nullptr)
        fail(quoted_name(tensor) + ": expected it in " + quoted_name(name) + ", got none there");
    found.files.emplace_back(base / name, out / name);
  }
  found.index = index.dump(2) + "\n";
  return found;
}

/// Writes a checkpoint with its weights changed, tensor by tensor.
class CheckpointMerge {
 public:
  CheckpointMerge(const AdapterModules& modules, const std::vector<ReplacedTensor>& replaced,
                  bool fan_in_fan_out, float sign)
      : fan_in_fan_out_(fan_in_fan_out), sign_(sign) {
    for (const AdapterModule& module : modules) modules_[module.path + ".weight"] = &module;
    for (const ReplacedTensor& entry : replaced) replaced_[entry.name] = &entry;
  }

  MergeReport run(const std::filesystem::path& base, const std::filesystem::path& out) const {
    const CheckpointFiles checkpoint = checkpoint_files(base, out);
    std::error_code ignored;
    for (const auto& [from, to] : checkpoint.files)
      if (std::filesystem::equivalent(from, to, ignored))
        throw ConfigError("out: expected another place than the base's, got " + to.string());
    check_all(checkpoint);
    if (std::filesystem::is_directory(base)) {
      std::error_code error;
      std::filesystem::create_directories(out, error);
      if (error) fail_file(out, "cannot be created", error.value());
    }
    MergeReport report;
    for (const auto& [from, to] : checkpoint.files) write(from, to, report);
    if (!checkpoint.index.empty()) write_file(out / kShardIndexName, checkpoint.index);
    return report;
  }

 private:
  /// Everything that can be known without the numbers, before the first file is written.
  void check_all(const CheckpointFiles& checkpoint) const {
    std::set<std::string> seen;
    for (const auto& entry : checkpoint.files) {
      const SafetensorsReader file(entry.first);
      for (const TensorInfo& tensor : file.tensors())
        if (check(file, tensor)) seen.insert(tensor.name);
    }
    const auto expect = [&](const std::string& name) {
      if (seen.count(name) == 0)
        throw ConfigError("base: expected a tensor " + quoted_name(name) +
                          ", as the adapter has one for it, got none");
    };
    for (const auto& entry : modules_) expect(entry.first);
    for (const auto& entry : replaced_) expect(entry.first);
  }

  /// \return whether the adapter changes the tensor.
  bool check(const SafetensorsReader& file, const TensorInfo& tensor) const {
    const auto module = modules_.find(tensor.name);
    const auto other = replaced_.find(tensor.name);
    if (module == modules_.end() && other == replaced_.end()) return false;
    TensorShape shape;
    if (module != modules_.end()) {
      shape = {static_cast<std::uint64_t>(module->second->out_features),
               static_cast<std::uint64_t>(module->second->in_features)};
      if (fan_in_fan_out_) std::swap(shape[0], shape[1]);
    }
    if (other != replaced_.end()) {
      const ReplacedTensor& whole = *other->second;
      if (module == modules_.end()) shape = whole.tensor.shape;
      whole.file->at(whole.tensor.name, shape);
      if (!storage_type_of(whole.tensor.dtype))
        fail_tensor(whole.file->path(), whole.tensor.name, "expected F64, F32, F16 or BF16");
    }
    file.at(tensor.name, shape);
    if (!storage_type_of(tensor.dtype))
      fail_tensor(file.path(), tensor.name,
                  "expected F64, F32, F16 or BF16 to merge into, got " +
                      std::string(info(tensor.dtype).name));
    return true;
  }

  void write(const std::filesystem::path& from, const std::filesystem::path& to,
             MergeReport& report) const {
    const SafetensorsReader base(from);
    SafetensorsWriter writer;
    for (const auto& [key, value] : base.metadata()) writer.set_metadata(key, value);
    for (const TensorInfo& tensor : base.tensors()) {
      const auto add = [&](const auto& produce) {
        writer.add(tensor.name, tensor.dtype, tensor.shape, produce);
      };
      const auto module = modules_.find(tensor.name);
      const auto other = replaced_.find(tensor.name);
      if (module != modules_.end()) {
        ++report.merged;
        // Factors beside a whole tensor of their module are added to that one.
        const bool is_whole = other != replaced_.end();
        const SafetensorsReader& from_file = is_whole ? *other->second->file : base;
        const TensorInfo& weight = is_whole ? other->second->tensor : tensor;
        add([this, &from_file, &weight, found = module->second](TensorSink& sink) {
          merge(from_file, weight, *found, sink);
        });
      } else if (other != replaced_.end()) {
        ++report.replaced;
        add([found = other->second](TensorSink& sink) {
          in_blocks(found->tensor.count(), [&](std::uint64_t first, std::size_t count) {
            std::vector<double> block(count);
            found->file->read(found->tensor, first, count, block.data());
            write_finite(block.data(), count, sink);
          });
        });
      } else {
        ++report.copied;
        add([&base, &tensor](TensorSink& sink) {
          in_blocks(tensor.bytes(), [&](std::uint64_t first, std::size_t count) {
            std::vector<unsigned char> block(count);
            base.read_bytes(tensor, first, count, block.data());
            sink.write_bytes(block.data(), count);
          });
        });
      }
    }
    writer.write(to);
  }

  template <typename F>
  static void in_blocks(std::uint64_t size, const F& f) {
    constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
    for (std::uint64_t first = 0; first < size; first += kBlock)
      f(first, static_cast<std::size_t>(std::min(kBlock, size - first)));
  }

  template <typename Scalar>
  static void write_finite(const Scalar* values, std::size_t count, TensorSink& sink) {
    visit_storage_type(*storage_type_of(sink.tensor().dtype), [&](auto zero) {
      using T = decltype(zero);
      for (std::size_t k = 0; k < count; ++k)
        if (!is_finite(static_cast<double>(static_cast<T>(values[k]))))
          throw FormatError("tensor " + quoted_name(sink.tensor().name) +
                            ": expected merged numbers that are finite in " +
                            std::string(info(sink.tensor().dtype).name) + ", got one that is not");
    });
    sink.write(values, count);
  }

  /// W + s B A in float (double where it is written so), in rows of the file.
  void merge(const SafetensorsReader& base, const TensorInfo& tensor, const AdapterModule& module,
             TensorSink& sink) const {
    if (sink.tensor().dtype == Dtype::f64) {
      merge_in<double>(base, tensor, module, sink);
    } else {
      merge_in<float>(base, tensor, module, sink);
    }
  }

  template <typename Scalar>
  void merge_in(const SafetensorsReader& base, const TensorInfo& tensor,
                const AdapterModule& module, TensorSink& sink) const {
    constexpr Index kBlockRows = 256;
    RowMatrix<Scalar> left = module.lora_B().template cast<Scalar>();
    RowMatrix<Scalar> right = module.lora_A().template cast<Scalar>();
    left *= static_cast<Scalar>(static_cast<double>(sign_) * module.scaling());
    if (fan_in_fan_out_) {
      const RowMatrix<Scalar> transposed = left.transpose();
      left = right.transpose();
      right = transposed;
    }
    RowMatrix<Scalar> block;
    for (Index row = 0; row < left.rows(); row += kBlockRows) {
      const Index rows = std::min(kBlockRows, left.rows() - row);
      block.resize(rows, right.cols());
      const auto count = static_cast<std::size_t>(block.size());
      base.read(tensor, static_cast<std::uint64_t>(row * right.cols()), count, block.data());
      block.noalias() += left.middleRows(row, rows) * right;
      write_finite(block.data(), count, sink);
    }
  }

  std::map<std::string, const AdapterModule*> modules_;
  std::map<std::string, const ReplacedTensor*> replaced_;
  bool fan_in_fan_out_;
  float sign_;
};

}  // namespace detail

/// Writes a base checkpoint with an adapter in it: W + s B A in the base's own dtype, summed in
/// float (in double where W is), tensors that the adapter has whole in place of the base's, and
/// everything else byte for byte. One tensor's factors and 256 of its rows are in memory at a time.
/// \param base  a safetensors file; or a folder with model.safetensors, or with shards and
///              model.safetensors.index.json.
/// \param out   a file or a folder, as base is; not the base itself. Its files are written whole or
///              not at all, the index last.
/// \throws ConfigError (an adapter that belongs to another W0, PeftConfig::changes_base; a module
/// that the base has not, by its name), FormatError (other shapes or dtypes; an index that is not
/// its shards'), FileError.
/// \cost 2 m n r flops per module.
inline MergeReport merge_adapter(const std::filesystem::path& base, const PeftAdapter& adapter,
                                 const std::filesystem::path& out) {
  detail::check_pristine_base(adapter.config());
  return detail::CheckpointMerge(adapter.modules(), adapter.replaced(),
                                 adapter.config().fan_in_fan_out, 1)
      .run(base, out);
}

/// Takes an adapter out again: W - s B A, the base's W to within the rounding of its dtype.
/// \throws as merge_adapter; ConfigError also where the adapter replaced tensors, which are lost.
inline MergeReport unmerge_adapter(const std::filesystem::path& merged, const PeftAdapter& adapter,
                                   const std::filesystem::path& out) {
  detail::check_pristine_base(adapter.config());
  if (!adapter.replaced().empty())
    throw ConfigError("adapter: expected pairs alone to unmerge, got the whole tensor " +
                      detail::quoted_name(adapter.replaced().front().name) +
                      ", whose old numbers are nowhere");
  return detail::CheckpointMerge(adapter.modules(), {}, adapter.config().fan_in_fan_out, -1)
      .run(merged, out);
}

}  // namespace io
LORAPRO_NAMESPACE_END
