// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/optimizer_state.hpp>

#include <lorapro/io/checkpoint.hpp>
#include <lorapro/lorapro.hpp>

#include "support/message_of.hpp"
#include "support/rule_battery.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace rule_battery;
using lorapro::ConfigError;
using lorapro::ShapeError;
using lorapro::io::CheckpointReader;
using lorapro::io::CheckpointWriter;
using lorapro::io::FormatError;
using lorapro::io::SafetensorsReader;
using lorapro::io::SafetensorsWriter;
using lorapro::io::TensorSink;
using nlohmann::json;

template <typename Scalar, typename Rule, typename T = Scalar>
struct Run {
  PairBuffers<T> pair;
  RowMatrix<T> head = RowMatrix<T>::Constant(1, 5, T(1.0F));
  RowMatrix<T> grad_head = RowMatrix<T>::Constant(1, 5, T(0.5F));
  lorapro::Optimizer<Scalar, Rule> optimizer;

  explicit Run(Index out = 6, Index in = 5, Index rank = 2, double scaling = 0.5)
      : pair(out, in, rank, scaling, 1) {
    pair.grad_A.setConstant(T(0.25F));
    pair.grad_B.setConstant(T(-0.5F));
    optimizer.attach(pair.view(), {}, "pair");
    optimizer.attach(lorapro::DenseView<T>{head.data(), grad_head.data(), 5}, {}, "head");
  }

  std::filesystem::path save(const ScratchFolder& folder, int updated = 2) {
    REQUIRE(optimizer.step().updated == updated);
    CheckpointWriter writer;
    writer.add("run", optimizer);
    writer.write(folder.path() / "checkpoint");
    return folder.path() / "checkpoint";
  }
};

using AdamW = Run<float, lorapro::AdamWRule>;

/// Why a checkpoint does not fit a run, whose state has to stay as it is.
template <typename Exception, typename R>
std::string refusal(const std::filesystem::path& path, R&& run) {
  const Snapshot before = state_of(run.optimizer);
  const auto A = run.pair.A;
  const auto head = run.head;
  const double lr = run.optimizer.lr();
  const std::string message =
      message_of<Exception>([&] { CheckpointReader(path).load("run", run.optimizer); });
  CHECK(message ==
        message_of<Exception>([&] { CheckpointReader(path).check("run", run.optimizer); }));
  CHECK(state_of(run.optimizer) == before);
  CHECK(same_bits(run.pair.A, A));
  CHECK(same_bits(run.head, head));
  CHECK(run.optimizer.lr() == lr);
  const std::string where = path.string() + ": ";
  return message.find(where) == 0 ? message.substr(where.size()) : message;
}

/// A copy of a checkpoint with other metadata or fewer tensors.
template <typename Change>
std::filesystem::path changed(const std::filesystem::path& path, const Change& change,
                              const std::string& without = "") {
  const SafetensorsReader file(path);
  auto metadata = file.metadata();
  change(metadata);
  SafetensorsWriter copy;
  for (const auto& [key, value] : metadata) copy.set_metadata(key, value);
  for (const auto& tensor : file.tensors())
    if (tensor.name != without)
      copy.add(tensor.name, tensor.dtype, tensor.shape, [&](TensorSink& sink) {
        sink.write_bytes(file.mapped(tensor), static_cast<std::size_t>(tensor.bytes()));
      });
  const auto target = path.parent_path() / "changed";
  copy.write(target);
  return target;
}

/// The same with another description of the optimizer.
template <typename Change>
std::filesystem::path redescribed(const std::filesystem::path& path, const Change& change) {
  return changed(path, [&](auto& metadata) {
    json description = json::parse(metadata["optimizer.run"]);
    change(description);
    metadata["optimizer.run"] = description.dump();
  });
}

TEST_CASE("a checkpoint has the optimizer's matrices row-major and its options",
          "[io][optimizer_state]") {
  const ScratchFolder folder;
  AdamW run;
  const SafetensorsReader file(run.save(folder));
  CHECK(file.metadata("format") == "lorapro.checkpoint");
  CHECK(file.metadata("version") == "1");
  const json description = json::parse(file.metadata("optimizer.run"));
  CHECK(description["rule"] == "adamw");
  CHECK(description["scalar"] == "F32");
  CHECK(description["step"] == 1);
  CHECK(description["groups"][0]["lr"] == 1e-3);
  CHECK(description["attached"]["pair"]["rank"] == 2);
  REQUIRE(file.tensors().size() == 2 + 4 + 1 + 2);
  RowMatrix<float> A(2, 5), exp_avg(6, 2);
  file.read(file.at("run.pair.lora_A", {2, 5}), A.data());
  CHECK(A == run.pair.A);
  file.read(file.at("run.pair.exp_avg_B", {6, 2}), exp_avg.data());
  CHECK(exp_avg.isApprox(0.1F * run.pair.grad_B));
  CHECK(file.find("run.head.value") != nullptr);
  CHECK(file.find("run.head.exp_avg_sq") != nullptr);
}

TEST_CASE("full moments are row-major in the file", "[io][optimizer_state]") {
  const ScratchFolder folder;
  using Full = lorapro::LoraPro<lorapro::FullMoments<float>>;
  Run<float, Full> run(130, 70, 2);  // more than a tile each way
  const SafetensorsReader file(run.save(folder));
  RowMatrix<float> exp_avg(130, 70);
  file.read(file.at("run.pair.exp_avg", {130, 70}), exp_avg.data());
  std::vector<float> state(130 * 70);
  run.optimizer.visit([&](const std::string& name, auto&& entry) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>)
      if (name == "pair.exp_avg") entry.read(state.data());
  });
  CHECK(std::memcmp(state.data(), exp_avg.data(), state.size() * sizeof(float)) == 0);
  CHECK(exp_avg.norm() > 0);
  CHECK(exp_avg.row(0).norm() != exp_avg.row(1).norm());
}

TEST_CASE("a checkpoint of other sizes is refused", "[io][optimizer_state]") {
  const ScratchFolder folder;
  const auto path = AdamW().save(folder);
  const std::string pair = "optimizer \"run\": \"pair\": ";
  CHECK(refusal<ShapeError>(path, AdamW(7, 5, 2)) == pair + "out_features: expected 7, got 6");
  CHECK(refusal<ShapeError>(path, AdamW(6, 4, 2)) == pair + "in_features: expected 4, got 5");
  CHECK(refusal<ShapeError>(path, AdamW(6, 5, 3)) == pair + "rank: expected 3, got 2");
  CHECK(refusal<ConfigError>(path, AdamW(6, 5, 2, 0.25)) ==
        pair + "scaling: expected 0.25, got 0.5");
}

TEST_CASE("a checkpoint of another scalar, rule or kind of moments is refused",
          "[io][optimizer_state]") {
  using namespace lorapro;
  const ScratchFolder folder;
  const auto path = AdamW().save(folder);
  const std::string run = "optimizer \"run\": ";
  CHECK(refusal<ConfigError>(path, Run<double, AdamWRule>()) ==
        run + R"(scalar: expected "F64", got "F32")");
  // The same matrices in the same shapes.
  CHECK(refusal<ConfigError>(path, Run<float, LoraPro<AdapterMoments>>()) ==
        run + R"(rule: expected "lora_pro_adapter", got "adamw")");
  CHECK(refusal<ConfigError>(path, Run<float, SgdRule>()) ==
        run + R"(rule: expected "sgd", got "adamw")");
  // Factors in bfloat16, with masters.
  CHECK(refusal<ConfigError>(path, Run<float, AdamWRule, bfloat16>()) ==
        run + "\"pair\": expected \"master_A\", got none");
  CHECK(refusal<ConfigError>(Run<float, AdamWRule, bfloat16>().save(folder), AdamW()) ==
        run + "\"pair\": expected no \"master_A\", got one");
  using Full = Run<float, LoraPro<FullMoments<float>>>;
  using Half = Run<float, LoraPro<FullMoments<bfloat16>>>;
  CHECK(refusal<ConfigError>(Half().save(folder), Full()) ==
        run + "\"pair\": exp_avg: expected \"F32 (6, 5)\", got \"BF16 (6, 5)\"");
}

TEST_CASE("a checkpoint of other groups or names is refused", "[io][optimizer_state]") {
  const ScratchFolder folder;
  AdamW saved;
  const auto path = saved.save(folder);
  AdamW more_groups;
  more_groups.optimizer.add_group({});
  CHECK(refusal<ConfigError>(path, more_groups) == "optimizer \"run\": groups: expected 2, got 1");
  AdamW more;
  RowMatrix<float> values = RowMatrix<float>::Ones(1, 3), gradients = values;
  more.optimizer.attach(lorapro::DenseView<float>{values.data(), gradients.data(), 3}, {}, "bias");
  CHECK(refusal<ConfigError>(path, more) == "optimizer \"run\": expected \"bias\", got none");
  saved.optimizer.attach(lorapro::DenseView<float>{values.data(), gradients.data(), 3}, {}, "bias");
  CheckpointWriter writer;
  writer.add("run", saved.optimizer);
  writer.write(path);
  CHECK(refusal<ConfigError>(path, AdamW()) == "optimizer \"run\": expected no \"bias\", got one");
  CHECK(message_of<FormatError>([&] { CheckpointReader(path).load("other", saved.optimizer); }) ==
        path.string() + ": metadata: expected the key \"optimizer.other\", got none");
}

TEST_CASE("a parameter in another group is refused", "[io][optimizer_state]") {
  const ScratchFolder folder;
  const auto path = AdamW().save(folder);
  const auto other =
      redescribed(path, [](json& description) { description["attached"]["pair"]["group"] = 1; });
  CHECK(refusal<ConfigError>(other, AdamW()) ==
        "optimizer \"run\": \"pair\": group: expected 0, got 1");
}

TEST_CASE("a damaged description is refused", "[io][optimizer_state]") {
  const ScratchFolder folder;
  const auto path = AdamW().save(folder);
  const auto refused = [&](const auto& change) {
    return refusal<FormatError>(redescribed(path, change), AdamW());
  };
  const auto check_key = [&](const char* key, const auto& object_of) {
    INFO(key);
    CHECK(refused([&](json& d) { object_of(d).erase(key); }).find("optimizer \"run\": ") == 0);
    for (const json& other : {json(), json(-1.5), json::array()}) {
      AdamW run;
      const auto damaged = redescribed(path, [&](json& d) { object_of(d)[key] = other; });
      CHECK_THROWS_AS(CheckpointReader(damaged).load("run", run.optimizer), lorapro::Error);
    }
  };
  for (const char* const key : {"scalar", "rule", "options", "groups", "attached", "step"})
    check_key(key, [](json& d) -> json& { return d; });
  for (const char* const key :
       {"kind", "out_features", "scaling", "group", "tensors", "step", "stream"})
    check_key(key, [](json& d) -> json& { return d["attached"]["pair"]; });
  CHECK(refused([](json& d) { d["attached"]["pair"]["step"] = -1; }) ==
        "optimizer \"run\": \"pair\": step: expected a number >= 0");
  CHECK(refused([](json& d) { d["groups"][0]["lr"] = -1; }) ==
        "optimizer \"run\": group 0: lr: expected a finite number >= 0, got -1");
  CHECK(refused([](json& d) { d["options"]["momentum"] = 1; }) ==
        "optimizer \"run\": options: expected known options, got \"momentum\"");
  const auto text = [&](const std::string& description) {
    return refusal<FormatError>(
        changed(path, [&](auto& metadata) { metadata["optimizer.run"] = description; }), AdamW());
  };
  CHECK(text("") == "optimizer.run: expected JSON");
  CHECK(text("{") == "optimizer.run: expected JSON");
  CHECK(text(std::string(100000, '[')) == "optimizer.run: expected JSON of few levels");
  CHECK(text("3") == "optimizer \"run\": expected an object");
}

TEST_CASE("tensors unlike their description are refused", "[io][optimizer_state]") {
  const ScratchFolder folder;
  const auto path = AdamW().save(folder);
  const auto same = [](auto&) {};
  CHECK(refusal<FormatError>(changed(path, same, "run.pair.exp_avg_A"), AdamW()) ==
        "tensor \"run.pair.exp_avg_A\": expected in the file, got none");
  // A tensor of the right shape and another type.
  const SafetensorsReader file(path);
  SafetensorsWriter copy;
  for (const auto& [key, value] : file.metadata()) copy.set_metadata(key, value);
  for (const auto& tensor : file.tensors()) {
    const std::vector<double> values(static_cast<std::size_t>(tensor.count()));
    copy.add(tensor.name, lorapro::io::Dtype::f64, tensor.shape, [](TensorSink& sink) {
      const std::vector<double> zeros(static_cast<std::size_t>(sink.tensor().count()));
      sink.write(zeros.data(), zeros.size());
    });
  }
  copy.write(folder.path() / "changed");
  CHECK(refusal<FormatError>(folder.path() / "changed", AdamW())
            .find("dtype: expected F32, got F64") != std::string::npos);
}

TEST_CASE("what is frozen is frozen again", "[io][optimizer_state]") {
  const ScratchFolder folder;
  AdamW saved;
  saved.optimizer.freeze(lorapro::PairId{0});
  const auto path = saved.save(folder, 1);
  AdamW run;
  CheckpointReader(path).load("run", run.optimizer);
  CHECK(run.optimizer.frozen(lorapro::PairId{0}));
  // A file that does not say so, as those of older versions, thaws it.
  const auto thawed = redescribed(path, [](json& description) {
    for (auto& entry : description["attached"]) entry.erase("frozen");
  });
  CheckpointReader(thawed).load("run", run.optimizer);
  CHECK_FALSE(run.optimizer.frozen(lorapro::PairId{0}));
  const auto damaged = redescribed(path, [](json& description) {
    for (auto& entry : description["attached"]) entry["frozen"] = 1;
  });
  CHECK(message_of<FormatError>([&] {
          CheckpointReader(damaged).load("run", run.optimizer);
        }).find("frozen: expected true or false") != std::string::npos);
}

TEST_CASE("which factor is free is kept", "[io][optimizer_state]") {
  const ScratchFolder folder;
  AdamW saved;
  saved.pair.A.setZero();
  REQUIRE(saved.optimizer.step().updated > 0);
  const auto path = saved.save(folder);
  const auto free_factor = [](AdamW& run) {
    std::int64_t out = -1;
    run.optimizer.visit([&](const std::string& name, auto&& entry) {
      if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>)
        if (name == "pair.free_factor") out = entry;
    });
    return out;
  };
  AdamW run;
  CheckpointReader(path).load("run", run.optimizer);
  CHECK(free_factor(run) == 1);
  // A file that does not say so, as those of older versions, means B.
  const auto without = redescribed(path, [](json& description) {
    for (auto& entry : description["attached"]) entry.erase("free_factor");
  });
  CheckpointReader(without).load("run", run.optimizer);
  CHECK(free_factor(run) == 0);
  const auto damaged = redescribed(path, [](json& description) {
    for (auto& entry : description["attached"]) entry["free_factor"] = "lora_C";
  });
  CHECK(message_of<FormatError>([&] {
          CheckpointReader(damaged).load("run", run.optimizer);
        }).find("free_factor: expected \"lora_A\" or \"lora_B\"") != std::string::npos);
}

TEST_CASE("options that a parameter cannot have are refused before anything is written",
          "[io][optimizer_state]") {
  const ScratchFolder folder;
  const auto path = redescribed(AdamW().save(folder), [](json& description) {
    description["groups"][0]["decay_target"] = "merged";
    description["groups"][0]["weight_decay"] = 0.1;
  });
  AdamW run;
  const auto A = run.pair.A;
  CHECK(message_of<ConfigError>([&] {
          CheckpointReader(path).load("run", run.optimizer);
        }).find("pair: decay_target: expected a sole, writable W0 for merged decay") == 0);
  CHECK(same_bits(run.pair.A, A));
  CHECK(run.optimizer.step_count() == 0);
  CHECK(run.optimizer.group().decay_target == lorapro::DecayTarget::adapter);
}

}  // namespace
