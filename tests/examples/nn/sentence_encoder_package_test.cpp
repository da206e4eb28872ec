// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/nn/sentence_encoder_package.hpp"

#include "examples/support/cache.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::nn::SentenceEncoderPackage;
using Ids = std::vector<int>;

/// The package; skips the test where it is not installed.
SentenceEncoderPackage installed_package() {
  const auto folder = SentenceEncoderPackage::folder_in(examples::default_cache("."));
  if (!std::filesystem::exists(folder / "model.json")) {
    skip_test("there is no " + folder.string() + " (examples/data/sentence_encoder.sh)");
  }
  return SentenceEncoderPackage(folder);
}

TEST_CASE("five sentences get the embeddings that the package gives", "[nn][sentence][may_skip]") {
  const auto package = installed_package();
  // Computed in node by @energetic-ai/embeddings 0.2.0.
  const std::string path = golden_folder() + "/use_lite_reference.json";
  const auto reference = nlohmann::json::parse(std::ifstream(path));
  std::vector<Ids> sentences;
  for (const auto& text : reference.at("sentences")) {
    sentences.push_back(package.tokenizer().encode(text.get<std::string>()));
  }
  REQUIRE(sentences.size() == 5);
  auto encoder = package.encoder();
  const auto embeddings = encoder.forward(sentences);
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    INFO(reference["sentences"][i]);
    const auto expected = reference.at("embeddings").at(i).get<std::vector<float>>();
    REQUIRE(static_cast<Eigen::Index>(expected.size()) == embeddings.cols());
    const auto row = embeddings.row(static_cast<Eigen::Index>(i));
    const Eigen::Map<const Eigen::RowVectorXf> wanted(expected.data(), embeddings.cols());
    CHECK((row - wanted).cwiseAbs().maxCoeff() <= 1e-5F);
  }
}

TEST_CASE("sentences get the tokens that the package gives", "[nn][sentence][may_skip]") {
  const auto package = installed_package();
  const auto tokens = [&](const char* text) { return package.tokenizer().encode(text); };
  // By its JavaScript.
  CHECK(tokens("hello") == Ids{2002, 102});
  CHECK(tokens("The TV announcer never seems to blink") ==
        Ids{34, 1476, 7122, 93, 251, 911, 10, 464, 5533});
  CHECK(tokens("caf\u00e9 na\u00efve r\u00e9sum\u00e9") ==
        Ids{976, 209, 1133, 1216, 0, 105, 1067, 1133, 7, 400, 1133});
  CHECK(tokens("cafe\u0301") == Ids{976, 209, 1133});
  CHECK(tokens("\ufb01nd the \u2167 \u2122 sign") ==
        Ids{260, 9, 651, 109, 109, 109, 259, 224, 1240});
  CHECK(tokens("\u65e5\u672c\u8a9e text") == Ids{30, 0, 1515});
  CHECK(tokens("x\u00a0y") == Ids{649, 1029});
  CHECK(tokens("tab\there") == Ids{5520, 0, 586, 53});
  CHECK(tokens(":) smile :-)") == Ids{30, 57, 52, 3084, 6600});
  CHECK(tokens("a:b://c") == Ids{11, 57, 151, 255, 131});
  CHECK(tokens("\U0001f600\U0001f600 ok") == Ids{30, 0, 2303});
  CHECK(tokens(" two  spaces ") == Ids{30, 174, 30, 1016, 7, 30});
  CHECK(tokens("zzzzqqqq") == Ids{30, 1093, 1093, 1111, 1111, 1111, 1111});
}

TEST_CASE("a package that is not there or not whole is refused", "[nn][sentence]") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(SentenceEncoderPackage(folder.path()), examples::DataMissing);
  const std::string pieces = R"(["a",0],["b",0],["c",0],["d",0],["e",0],["f",0],["g",-1])";
  folder.write("model.json", R"({"weightsManifest":[]})");
  folder.write("vocab.json", "[" + pieces + "]");
  CHECK_THROWS_AS(SentenceEncoderPackage(folder.path()).encoder(), examples::DataError);
  std::string many = pieces;
  for (int i = 0; i < 8000; ++i) many += R"(,["g",-1])";
  folder.write("vocab.json", "[" + many + "]");
  CHECK_THROWS_AS(SentenceEncoderPackage(folder.path()), examples::DataError);
}

}  // namespace
