// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/tfjs_weights.hpp"

#include <lorapro/lorapro.hpp>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::DataError;
using examples::DataMissing;
using examples::nn::TfjsWeights;
using Floats = std::vector<float>;

std::string bytes_of(const Floats& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

/// A model of the tensors w (2, 2), an integer and a scalar b, in two files that split w.
struct Model {
  Model() {
    const std::string all = bytes_of({1, 2, 3, 4}) + std::string(4, '\1') + bytes_of({-0.5F});
    folder.write("shard1", all.substr(0, 6));
    folder.write("shard2", all.substr(6));
  }

  std::filesystem::path manifest(const std::string& weights,
                                 const std::string& paths = R"("shard1","shard2")") const {
    return folder.write("model.json", R"({"modelTopology":{},"weightsManifest":[{"paths":[)" +
                                          paths + R"(],"weights":[)" + weights + "]}]}");
  }

  ScratchFolder folder;
};

const std::string kW = R"({"name":"w","shape":[2,2],"dtype":"float32"})";
const std::string kI = R"({"name":"i","shape":[1],"dtype":"int32"})";
const std::string kB = R"({"name":"b","shape":[],"dtype":"float32"})";

TEST_CASE("tensors are read across files", "[tfjs]") {
  const Model model;
  const TfjsWeights weights(model.manifest(kW + "," + kI + "," + kB));
  CHECK(weights.get("w", {2, 2}) == Floats{1, 2, 3, 4});
  CHECK(weights.get("b", {}) == Floats{-0.5F});
  CHECK_FALSE(weights.has("i"));
}

TEST_CASE("the fingerprint tells weights apart", "[tfjs]") {
  const Model model;
  const auto path = model.manifest(kW + "," + kI + "," + kB);
  const auto before = TfjsWeights(path).fingerprint();
  CHECK(TfjsWeights(path).fingerprint() == before);
  model.folder.write("shard1", bytes_of({5, 2}).substr(0, 6));
  CHECK(TfjsWeights(path).fingerprint() != before);
}

TEST_CASE("a tensor that is missing or of another shape is refused", "[tfjs]") {
  const Model model;
  const TfjsWeights weights(model.manifest(kW + "," + kI + "," + kB));
  CHECK_THROWS_AS(weights.get("v", {2, 2}), DataError);
  CHECK_THROWS_AS(weights.get("w", {4}), DataError);
  CHECK_THROWS_AS(weights.get("w", {2, 2, 1}), DataError);
}

TEST_CASE("a tensor that is not finite is refused", "[tfjs]") {
  const Model model;
  model.folder.write("shard", bytes_of({1, std::numeric_limits<float>::quiet_NaN()}));
  const TfjsWeights weights(
      model.manifest(R"({"name":"x","shape":[2],"dtype":"float32"})", R"("shard")"));
  CHECK_THROWS_AS(weights.get("x", {2}), DataError);
}

TEST_CASE("sizes that do not fit the files are refused", "[tfjs]") {
  const Model model;
  for (const std::string& weights :
       {kW, kW + "," + kI, kW + "," + kI + "," + kB + "," + kB, std::string(),
        std::string(R"({"name":"w","shape":[7],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":[4294967296,4294967296],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":[3,0],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":[-6],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":[6.0],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":["6"],"dtype":"float32"})")}) {
    INFO(weights);
    CHECK_THROWS_AS(TfjsWeights(model.manifest(weights)), DataError);
  }
}

TEST_CASE("entries that are not as described are refused", "[tfjs]") {
  const Model model;
  for (const std::string& weights :
       {std::string("3"), std::string(R"({"name":"w","shape":[6]})"),
        std::string(R"({"name":"w","dtype":"float32"})"),
        std::string(R"({"name":1,"shape":[6],"dtype":"float32"})"),
        std::string(R"({"name":"w","shape":[6],"dtype":"float16"})"),
        std::string(R"({"name":"w","shape":[6],"dtype":"float32","quantization":{}})"),
        R"({"name":"b","shape":[],"dtype":"float32"},)" + kW + "," + kB}) {
    INFO(weights);
    CHECK_THROWS_AS(TfjsWeights(model.manifest(weights)), DataError);
  }
  for (const char* contents : {"", "[", "[]", "{}", R"({"weightsManifest":3})",
                               R"({"weightsManifest":[3]})", R"({"weightsManifest":[{}]})"}) {
    INFO(contents);
    CHECK_THROWS_AS(TfjsWeights(model.folder.write("model.json", contents)), DataError);
  }
}

TEST_CASE("only files beside the manifest are read", "[tfjs]") {
  const Model model;
  const std::string weights = kW + "," + kI + "," + kB;
  for (const char* path : {R"("../shard1")", R"("/etc/passwd")", R"("..")", R"("")", "3"}) {
    INFO(path);
    CHECK_THROWS_AS(TfjsWeights(model.manifest(weights, path)), DataError);
  }
  CHECK_THROWS_AS(TfjsWeights(model.manifest(weights, R"("shard1","shard3")")), DataMissing);
  CHECK_THROWS_AS(TfjsWeights(model.folder.path() / "none.json"), DataMissing);
}

}  // namespace
