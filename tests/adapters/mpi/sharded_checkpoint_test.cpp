// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/adapters/mpi/sharded_checkpoint.hpp>

#include <random>  // std::mt19937_64

#include "adapters/mpi/replica_state.hpp"
#include "support/message_of.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace mpi_tests;
using lorapro::mpi::ShardedCheckpointReader;
using lorapro::mpi::ShardedCheckpointWriter;

/// A folder that all ranks have, and rank 0 removes.
class SharedFolder {
 public:
  SharedFolder() {
    char name[256] = {};
    if (world_rank() == 0) {
      own_.emplace();
      std::snprintf(name, sizeof name, "%s", own_->path().c_str());
    }
    MPI_Bcast(name, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
    path_ = name;
  }
  ~SharedFolder() { MPI_Barrier(MPI_COMM_WORLD); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::optional<ScratchFolder> own_;
  std::filesystem::path path_;
};

/// A replica on the first `size` ranks; sums are exact, so the number of ranks makes no difference.
template <typename Rule>
struct Training {
  Model<float> replica;
  lorapro::mpi::DistributedOptimizer<float, Rule> optimizer;
  std::mt19937_64 engine{3};

  explicit Training(MPI_Comm communicator, const lorapro::OptimizerConfig& config = options(),
                    const Parts& parts = {4, true, true, true})
      : replica(parts), optimizer(communicator, config, sums()) {
    replica.attach(optimizer);
    optimizer.distribute();
  }
  static lorapro::mpi::DistributedConfig sums() {
    lorapro::mpi::DistributedConfig config;
    config.reduction = lorapro::mpi::Reduction::sum;
    config.check_every = 1;
    return config;
  }
  void train(int first, int last) {
    const auto& communicator = optimizer.communicator();
    const Index share = share_of(communicator.size());
    for (int t = first; t <= last; ++t) {
      replica.set_gradients(t, communicator.rank() * share, share, Numbers::exact);
      REQUIRE(optimizer.step({1.0, kSamples}).updated == optimizer.parameter_count());
      engine();
    }
  }
};

template <typename Rule>
void check_resume(int from, int to) {
  CAPTURE(from, to);
  if (world_size() < std::max(from, to)) return;
  const SharedFolder shared;
  const auto folder = shared.path() / "run.checkpoint";
  const FirstRanks writers(from), readers(to);
  Model<float> expected;
  if (writers.joined()) {
    Training<Rule> training(writers.handle());
    training.train(1, 3);
    ShardedCheckpointWriter writer(training.optimizer);
    writer.add_generator("sampler", training.engine);
    writer.set("epoch", "first");
    writer.write(folder);
    writer.set("epoch", "second");
    training.train(4, 4);
    writer.write(folder);  // in place of the first one
  }
  MPI_Barrier(MPI_COMM_WORLD);
  if (readers.joined()) {
    lorapro::OptimizerConfig other;  // options come from the files
    other.group.lr = 77;
    Training<Rule> resumed(readers.handle(), other);
    resumed.replica.vector.setZero();
    resumed.replica.base.setZero();
    for (auto& pair : resumed.replica.pairs) pair.A.setZero();
    const ShardedCheckpointReader reader(folder);
    CHECK(reader.shard_count() == static_cast<std::size_t>(from));
    reader.load(resumed.optimizer);
    reader.load_generator("sampler", resumed.engine);
    CHECK(reader.value("epoch") == "second");
    CHECK(resumed.optimizer.step_count() == 4);
    CHECK_NOTHROW(resumed.optimizer.check_replicas());
    resumed.train(5, 7);

    Model<float> replica({4, true, true, true});
    lorapro::Optimizer<float, Rule> whole(options());
    replica.attach(whole);
    std::mt19937_64 engine(3);
    for (int t = 1; t <= 7; ++t) {
      replica.set_gradients(t, 0, kSamples, Numbers::exact);
      CHECK(whole.step({1.0, kSamples}).updated == 7);
      engine();
    }
    CHECK(resumed.replica.same(replica));
    CHECK(state_is_part(resumed.optimizer.local(), whole));
    CHECK(resumed.engine == engine);
  }
}

TEST_CASE("a training goes on with the same bits on any number of ranks", "[mpi]") {
  using Rule = lorapro::LoraPro<lorapro::FullMoments<bfloat16>>;
  for (const auto& [from, to] : {std::pair{1, 3}, {4, 2}, {3, 1}, {1, 1}, {2, 4}, {1, 4}})
    check_resume<Rule>(from, to);
  check_resume<lorapro::AdamWRule>(world_size(), 1);
}

using Rule = lorapro::AdamWRule;

std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

TEST_CASE("an unfinished checkpoint does not count", "[mpi]") {
  const SharedFolder shared;
  const auto folder = shared.path() / "run";
  Training<Rule> training(MPI_COMM_WORLD);
  ShardedCheckpointWriter writer(training.optimizer);
  training.train(1, 2);
  writer.write(folder);
  std::vector<std::string> expected{"manifest.json"};
  for (int shard = 0; shard < world_size(); ++shard)
    expected.push_back("shard-1-" + std::to_string(shard) + ".safetensors");
  CHECK(files_in(folder) == expected);
  MPI_Barrier(MPI_COMM_WORLD);
  // As after a stop between the shards and the manifest.
  const Model<float> saved = training.replica;
  if (world_rank() == 0) std::ofstream(folder / "shard-2-0.safetensors") << "half a file";
  training.train(3, 4);
  MPI_Barrier(MPI_COMM_WORLD);
  ShardedCheckpointReader(folder).load(training.optimizer);
  CHECK(training.replica.same(saved));
  MPI_Barrier(MPI_COMM_WORLD);
  writer.write(folder);
  CHECK(files_in(folder).size() == expected.size());
  CHECK(files_in(folder).at(1) == "shard-3-0.safetensors");
}

TEST_CASE("what cannot be loaded is refused on all ranks", "[mpi]") {
  const SharedFolder shared;
  const auto folder = shared.path() / "run";
  Training<Rule> training(MPI_COMM_WORLD);
  training.train(1, 2);
  ShardedCheckpointWriter(training.optimizer).write(folder);
  const ShardedCheckpointReader reader(folder);

  Training<Rule> fewer(MPI_COMM_WORLD, options(), {3, true, true, true});
  const Model<float> before = fewer.replica;
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { reader.load(fewer.optimizer); }),
             contains_text("expected 6 parameters, got 7"));
  Training<Rule> more(MPI_COMM_WORLD, options(), {5, true, true, true});
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { reader.load(more.optimizer); }),
             contains_text("expected \"pair.4\", got none"));
  Training<lorapro::SgdRule> another(MPI_COMM_WORLD);
  CHECK_THAT(message_of<lorapro::ConfigError>([&] { reader.load(another.optimizer); }),
             contains_text("rule: expected \"sgd\""));
  CHECK(fewer.replica.same(before));
  CHECK(fewer.optimizer.step_count() == 0);

  const auto with_manifest = [&](const std::string& text) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank() == 0) lorapro::io::write_file(folder / "manifest.json", text);
    MPI_Barrier(MPI_COMM_WORLD);
    return message_of<lorapro::FormatError>([&] { ShardedCheckpointReader{folder}; });
  };
  const auto manifest = [](const std::string& change) {
    const nlohmann::json json{{"format", "lorapro.sharded_checkpoint"},
                              {"version", 1},
                              {"generation", 1},
                              {"shards", world_size()}};
    return nlohmann::json(json.patch(nlohmann::json::parse(change))).dump();
  };
  CHECK_THAT(with_manifest("[]"), contains_text("manifest.json: format: expected"));
  CHECK_THAT(with_manifest("{"), contains_text("manifest.json: expected JSON"));
  CHECK_THAT(with_manifest(std::string(5000, ' ')), contains_text("expected at most 4096 bytes"));
  CHECK_THAT(with_manifest(manifest(R"([{"op": "replace", "path": "/version", "value": 2}])")),
             contains_text("version: expected a number from 1 to 1"));
  CHECK_THAT(with_manifest(manifest(R"([{"op": "replace", "path": "/shards", "value": 0}])")),
             contains_text("shards: expected a number from 1"));
  CHECK_THAT(with_manifest(manifest(R"([{"op": "replace", "path": "/shards", "value": "2"}])")),
             contains_text("shards: expected a number from 1"));
  CHECK_THAT(with_manifest(manifest(R"([{"op": "remove", "path": "/generation"}])")),
             contains_text("generation: expected a number from 1"));
  if (world_size() > 1) {
    // A part of the shards is not a checkpoint.
    static_cast<void>(
        with_manifest(manifest(R"([{"op": "replace", "path": "/shards", "value": 1}])")));
    CHECK_THAT(message_of<lorapro::ConfigError>(
                   [&] { ShardedCheckpointReader(folder).load(training.optimizer); }),
               contains_text("got none"));
    // Nor is one shard under another's name.
    MPI_Barrier(MPI_COMM_WORLD);
    if (world_rank() == 0)
      std::filesystem::copy_file(folder / "shard-1-0.safetensors", folder / "shard-1-1.safetensors",
                                 std::filesystem::copy_options::overwrite_existing);
    CHECK_THAT(with_manifest(manifest("[]")), contains_text("expected this shard, got"));
  }
  static_cast<void>(with_manifest(manifest("[]")));
  MPI_Barrier(MPI_COMM_WORLD);
  if (world_rank() == 0) std::filesystem::remove(folder / "shard-1-0.safetensors");
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK_THROWS_AS(ShardedCheckpointReader(folder), lorapro::FileError);
}

/// A generator whose state one rank cannot write.
struct Unwritable {
  bool fails = false;
  friend std::ostream& operator<<(std::ostream& stream, const Unwritable& generator) {
    if (generator.fails) throw lorapro::StateError("no state");
    return stream << 1;
  }
};

TEST_CASE("a rank that cannot write ends the call on all, and the old checkpoint stays", "[mpi]") {
  const SharedFolder shared;
  const auto folder = shared.path() / "run";
  Training<Rule> training(MPI_COMM_WORLD);
  training.train(1, 2);
  Unwritable generator;
  ShardedCheckpointWriter writer(training.optimizer);
  writer.add_generator("sampler", generator);
  writer.write(folder);
  const Model<float> saved = training.replica;
  training.train(3, 3);
  const int culprit = world_size() - 1;
  generator.fails = world_rank() == culprit;
  if (generator.fails) {
    CHECK_THROWS_AS(writer.write(folder), lorapro::StateError);
  } else {
    CHECK(message_of<lorapro::PeerError>([&] { writer.write(folder); }) ==
          "rank " + std::to_string(culprit) + ": no state");
  }
  ShardedCheckpointReader(folder).load(training.optimizer);
  CHECK(training.replica.same(saved));
  generator.fails = false;
  CHECK_NOTHROW(writer.write(folder));
  CHECK(files_in(folder).size() == static_cast<std::size_t>(world_size()) + 1);

  MPI_Barrier(MPI_COMM_WORLD);
  if (world_rank() == 0) std::ofstream(shared.path() / "file") << "x";
  MPI_Barrier(MPI_COMM_WORLD);
  CHECK_THROWS_AS(writer.write(shared.path() / "file" / "run"), lorapro::Error);
}

}  // namespace
