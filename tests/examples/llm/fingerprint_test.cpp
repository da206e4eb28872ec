// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/fingerprint.hpp"

#include "support/catch.hpp"

namespace {

namespace llm = examples::llm;
using Examples = std::vector<llm::TokenizedExample>;

// Of FNV-1a's own test vectors.
TEST_CASE("the hash is FNV-1a of 64 bits", "[fingerprint]") {
  llm::Fingerprint fingerprint;
  CHECK(fingerprint.text() == "cbf29ce484222325");
  fingerprint.add("foobar", 6);
  CHECK(fingerprint.text() == "85944171f73967e8");
}

TEST_CASE("data differ by an id, by what is asked for and by where examples end", "[fingerprint]") {
  const Examples data{{{1, 2, 3}, {false, true, true}}, {{4, 5}, {false, true}}};
  const std::string same = llm::fingerprint_of(data);
  CHECK(llm::fingerprint_of(Examples(data)) == same);
  Examples other = data;
  other[1].ids[1] = 6;
  CHECK(llm::fingerprint_of(other) != same);
  other = data;
  other[0].trained[1] = false;
  CHECK(llm::fingerprint_of(other) != same);
  other = {{{1, 2, 3, 4, 5}, {false, true, true, false, true}}};
  CHECK(llm::fingerprint_of(other) != same);
}

/// A model of one matrix.
class OneMatrix final : public llm::ModelTensors {
 public:
  OneMatrix(std::string name, Shape shape) : shapes_{{std::move(name), std::move(shape)}} {}

  std::vector<float> values = std::vector<float>(12, 0.5F);

  const llm::LlamaConfig& config() const override { return config_; }
  std::string place() const override { return "memory"; }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }
  void read(const std::string&, llm::Index row, llm::Index rows, float* out) const override {
    const llm::Index cols = shapes_.begin()->second[1];
    std::copy_n(values.begin() + row * cols, rows * cols, out);
  }

 private:
  llm::LlamaConfig config_;
  std::map<std::string, Shape> shapes_;
};

TEST_CASE("models differ by names, shapes and numbers", "[fingerprint]") {
  const OneMatrix model("a", {4, 3});
  const std::string same = llm::fingerprint_of(model);
  CHECK(llm::fingerprint_of(OneMatrix("a", {4, 3})) == same);
  CHECK(llm::fingerprint_of(OneMatrix("b", {4, 3})) != same);
  CHECK(llm::fingerprint_of(OneMatrix("a", {3, 4})) != same);
  for (const std::size_t changed : {0, 6, 11}) {
    OneMatrix other("a", {4, 3});
    other.values[changed] = 0.25F;
    CHECK(llm::fingerprint_of(other) != same);
  }
}

}  // namespace
