// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adapters/mpi/distributed_optimizer.hpp>
#include <lorapro/io/checkpoint.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

namespace detail {

inline constexpr const char* kShardedFormat = "lorapro.sharded_checkpoint";
inline constexpr int kShardedVersion = 1;
inline constexpr const char* kManifestName = "manifest.json";
inline constexpr const char* kShardPrefix = "shard-";
inline constexpr const char* kOptimizerName = "optimizer";
inline constexpr const char* kShardKey = "shard";  // a shard's own number and generation

inline std::string shard_name(std::int64_t generation, std::int64_t shard) {
  return kShardPrefix + std::to_string(generation) + "-" + std::to_string(shard) + ".safetensors";
}

/// The generation in the name of a shard; -1 for other files.
inline std::int64_t generation_of(const std::string& name) {
  const std::string prefix = kShardPrefix;
  if (name.rfind(prefix, 0) != 0) return -1;
  const std::size_t end = name.find_first_not_of("0123456789", prefix.size());
  const std::size_t digits = end == std::string::npos ? 0 : end - prefix.size();
  constexpr std::size_t kMostDigits = 18;  // fit 64 bits
  if (digits == 0 || digits > kMostDigits || name[end] != '-') return -1;
  return std::stoll(name.substr(prefix.size(), digits));
}

/// Calls f(name, path) for every shard in a folder, of any generation and also unfinished ones.
template <typename F>
void for_each_shard(const std::filesystem::path& folder, const F& f) {
  try {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (generation_of(name) >= 0) f(name, entry.path());
    }
  } catch (const std::filesystem::filesystem_error& error) {
    throw FileError(folder.string() + ": " + error.code().message());
  }
}

}  // namespace detail

/// Writes checkpoints of a DistributedOptimizer: a folder with a file from each rank, which holds
/// what that rank owns, and a manifest that says which files belong together. All files of a
/// checkpoint are new ones; the manifest is replaced last, as a whole, and only then are the old
/// files removed: whenever the program is stopped, the folder holds the old checkpoint or the new
/// one. The ranks have to see one file system.
///
/// \code
/// lorapro::mpi::ShardedCheckpointWriter checkpoint(optimizer);
/// checkpoint.add_generator("sampler", engine);  // the same on every rank
/// ...
/// checkpoint.set("epoch", std::to_string(epoch));
/// checkpoint.write("run.checkpoint");           // on every rank
/// \endcode
class ShardedCheckpointWriter {
 public:
  /// \param optimizer  distributed; has to outlive the writer.
  template <typename Scalar, typename Rule>
  explicit ShardedCheckpointWriter(DistributedOptimizer<Scalar, Rule>& optimizer)
      : communicator_(&optimizer.communicator()) {
    shard_.add(detail::kOptimizerName, optimizer.local());
  }

  /// As CheckpointWriter's; what rank 0 has is what is read again, whatever the number of ranks.
  template <typename Engine>
  void add_generator(const std::string& name, const Engine& engine) {
    shard_.add_generator(name, engine);
  }
  void set(const std::string& key, const std::string& value) { shard_.set("user." + key, value); }

  /// Collective. \throws FileError and as CheckpointWriter::write; PeerError on the other ranks.
  /// The old checkpoint is then untouched. \return AtomicFile::warnings of what this rank wrote.
  io::Warnings write(const std::filesystem::path& folder) {
    io::Warnings warnings;
    std::int64_t generation = 0;
    together(*communicator_, [&] {
      if (communicator_->rank() == 0) generation = next_generation(folder);
    });
    check_call(MPI_Bcast(&generation, 1, MPI_INT64_T, 0, communicator_->handle()), "MPI_Bcast");
    const std::string own = detail::shard_name(generation, communicator_->rank());
    together(*communicator_, [&] {
      shard_.set(detail::kShardKey, own);
      warnings = shard_.write(folder / own);
    });
    together(*communicator_, [&] {
      if (communicator_->rank() != 0) return;
      const nlohmann::json manifest{{"format", detail::kShardedFormat},
                                    {"version", detail::kShardedVersion},
                                    {"generation", generation},
                                    {"shards", communicator_->size()}};
      const auto more = io::write_file(folder / detail::kManifestName, manifest.dump(2) + "\n");
      warnings.insert(warnings.end(), more.begin(), more.end());
      detail::for_each_shard(folder, [&](const std::string& name, const auto& path) {
        std::error_code ignored;  // of no use to anybody, whether they go or not
        if (detail::generation_of(name) != generation) std::filesystem::remove(path, ignored);
      });
    });
    return warnings;
  }

 private:
  /// One that no file in the folder has.
  static std::int64_t next_generation(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw FileError(folder.string() + ": cannot be created: " + error.message());
    std::int64_t last = 0;
    detail::for_each_shard(folder, [&](const std::string& name, const auto&) {
      last = (std::max)(last, detail::generation_of(name));
    });
    return last + 1;
  }

  const Communicator* communicator_;
  io::CheckpointWriter shard_;
};

/// Reads what ShardedCheckpointWriter wrote, on any number of ranks.
///
/// \code
/// const lorapro::mpi::ShardedCheckpointReader checkpoint("run.checkpoint");
/// checkpoint.load(optimizer);  // made, attached and distributed as the one that was saved
/// checkpoint.load_generator("sampler", engine);
/// \endcode
class ShardedCheckpointReader {
 public:
  /// \throws FileError, FormatError (no manifest of this version, a shard that is not the one that
  /// it names).
  explicit ShardedCheckpointReader(const std::filesystem::path& folder) : folder_(folder) {
    const auto path = folder / detail::kManifestName;
    const io::FileReader file(path);
    constexpr std::uint64_t kLargest = 4096;
    if (file.size() > kLargest)
      throw FormatError(path.string() + ": expected at most 4096 bytes, got " +
                        std::to_string(file.size()));
    std::string text(static_cast<std::size_t>(file.size()), '\0');
    file.read(0, text.size(), text.data());
    const auto json = io::detail::parse_json(text, path.string());
    if (!json.is_object() || json.value("format", nlohmann::json()) != detail::kShardedFormat)
      throw FormatError(path.string() + ": format: expected " + detail::kShardedFormat);
    const auto number = [&](const char* key, std::int64_t low, std::int64_t high) {
      const auto found = json.find(key);
      if (found == json.end() || !found->is_number_unsigned() ||
          found->get<std::uint64_t>() < static_cast<std::uint64_t>(low) ||
          found->get<std::uint64_t>() > static_cast<std::uint64_t>(high))
        throw FormatError(path.string() + ": " + key + ": expected a number from " +
                          std::to_string(low) + " to " + std::to_string(high));
      return found->get<std::int64_t>();
    };
    number("version", detail::kShardedVersion, detail::kShardedVersion);
    const auto generation = number("generation", 1, std::int64_t{1} << 59);
    const auto shards = number("shards", 1, std::int64_t{1} << 20);
    for (std::int64_t shard = 0; shard < shards; ++shard) {
      names_.push_back(detail::shard_name(generation, shard));
      const io::CheckpointReader reader(folder / names_.back());
      if (reader.value(detail::kShardKey) != names_.back())
        throw FormatError(reader.path().string() + ": expected this shard, got " +
                          io::detail::quoted_name(reader.value(detail::kShardKey)));
    }
  }

  std::size_t shard_count() const { return names_.size(); }

  /// Collective: restores an optimizer, parameters included, which has the same Scalar and Rule,
  /// groups and parameters as the one that was saved, on any number of ranks.
  /// \throws as CheckpointReader::load on the ranks that see what is wrong, before anything is
  /// written, and PeerError on the others. FileError (a file becomes unreadable meanwhile): the
  /// optimizer is then written in part.
  template <typename Scalar, typename Rule>
  void load(DistributedOptimizer<Scalar, Rule>& optimizer) const {
    auto& local = optimizer.local();
    std::vector<Shard> shards;
    std::map<std::string, const Shard*> shard_of;
    const std::string name = detail::kOptimizerName;
    together(optimizer.communicator(), [&] {
      shards.reserve(names_.size());
      for (const std::string& file : names_) {
        shards.push_back(open(file, local));
        const Shard& shard = shards.back();
        for (const char* const key : {"options", "groups", "step"})
          if (shard.record.json.at(key) != shards.front().record.json.at(key))
            throw FormatError(shard.where + ": " + key + ": expected those of the first shard");
        for (const auto& item : shard.record.json.at("attached").items())
          if (!shard_of.emplace(item.key(), &shard).second)
            throw FormatError(shard.where + ": expected " + io::detail::quoted_name(item.key()) +
                              " once, got it in two shards");
      }
      check_names(optimizer.parameters(), shard_of);
      const auto own = io::detail::describe(local, shards.front().record.groups);
      local.for_each_slot([&](auto& slot) {
        const Shard& shard = *shard_of.at(slot.name);
        io::detail::check_slot(shard.file, name, slot, tensors_of(shard, slot),
                               own.at("attached").at(slot.name),
                               shard.record.json.at("attached").at(slot.name),
                               shard.where + ": " + io::detail::quoted_name(slot.name));
      });
    });
    together(optimizer.communicator(), [&] {
      io::detail::load_options(shards.front().record, local);
      local.for_each_slot([&](auto& slot) {
        const Shard& shard = *shard_of.at(slot.name);
        io::detail::load_slot(shard.file, name, slot, tensors_of(shard, slot),
                              shard.record.json.at("attached").at(slot.name));
      });
    });
    optimizer.synchronize();
  }

  /// \throws as CheckpointReader's.
  template <typename Engine>
  void load_generator(const std::string& name, Engine& engine) const {
    io::CheckpointReader(folder_ / names_.front()).load_generator(name, engine);
  }
  std::string value(const std::string& key) const {
    return io::CheckpointReader(folder_ / names_.front()).value("user." + key);
  }

 private:
  struct Shard {
    io::SafetensorsReader file;
    std::string where;
    io::detail::OptimizerRecord record;
  };

  template <typename Scalar>
  Shard open(const std::string& file, const BaseOptimizer<Scalar>& local) const {
    io::SafetensorsReader reader(folder_ / file);
    const std::string where = reader.path().string();
    const std::string key = std::string(io::detail::kOptimizerKey) + detail::kOptimizerName;
    auto json = io::detail::parse_json(reader.metadata(key), where + ": " + key);
    auto record = io::detail::read_record(json, where, local);
    if (!json.contains("attached") || !json.at("attached").is_object())
      throw FormatError(where + ": attached: expected an object");
    return {std::move(reader), where, std::move(record)};
  }

  template <typename Slot>
  static std::vector<io::detail::SlotTensor> tensors_of(const Shard& shard, Slot& slot) {
    return io::detail::tensors_of(slot, shard.record.groups[static_cast<std::size_t>(slot.group)]);
  }

  void check_names(const std::vector<detail::Parameter>& parameters,
                   const std::map<std::string, const Shard*>& shard_of) const {
    for (const auto& parameter : parameters)
      if (shard_of.count(parameter.name) == 0)
        throw ConfigError(folder_.string() + ": expected " +
                          io::detail::quoted_name(parameter.name) + ", got none");
    if (shard_of.size() != parameters.size())
      throw ConfigError(folder_.string() + ": expected " + std::to_string(parameters.size()) +
                        " parameters, got " + std::to_string(shard_of.size()));
  }

  std::filesystem::path folder_;
  std::vector<std::string> names_;
};

}  // namespace mpi
LORAPRO_NAMESPACE_END
