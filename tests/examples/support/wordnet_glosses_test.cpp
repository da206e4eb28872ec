// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/support/wordnet_glosses.hpp"

#include <lorapro/lorapro.hpp>

#include "support/catch.hpp"
#include "support/scratch_folder.hpp"

namespace {

using examples::DataError;
using examples::DataMissing;
using examples::read_wordnet_glosses;

const std::string kLicence = "  1 This software and database is provided \"AS IS\".  \n";
const std::string kVerb =
    "00000001 38 v 01 stroll 0 000 01 + 02 00 | walk at leisure; \"stroll along\"  \n";

std::string noun(const std::string& gloss) {
  return "00000002 05 n 01 beast 0 000 | " + gloss + "\n";
}

TEST_CASE("definitions leave the examples out", "[wordnet]") {
  CHECK(examples::definition("walk at leisure; \"he strolled\"; \"a stroll\"  ") ==
        "walk at leisure");
  CHECK(examples::definition("a; b (c: d)  ") == "a; b (c: d)");
  CHECK(examples::definition("\"only an example\"").empty());
  CHECK(examples::definition(" ; ").empty());
  CHECK(examples::definition("").empty());
}

TEST_CASE("glosses come with their lexicographer files", "[wordnet]") {
  const ScratchFolder folder;
  folder.write("data.noun", kLicence + noun("a large animal  ") + noun("a small animal"));
  folder.write("data.verb", kLicence + kVerb);
  const auto glosses = read_wordnet_glosses(folder.path());
  REQUIRE(glosses.size() == 3);
  const auto file = [&](std::size_t i) {
    return examples::kLexicographerFiles[static_cast<std::size_t>(glosses[i].label)];
  };
  CHECK(glosses[0].text == "a large animal");
  CHECK(file(0) == "noun.animal");
  CHECK(glosses[2].text == "walk at leisure");
  CHECK(file(2) == "verb.motion");
}

TEST_CASE("of equal definitions one is kept", "[wordnet]") {
  const ScratchFolder folder;
  folder.write("data.noun", noun("an animal") + noun("an animal; \"a dog\"") + noun("\"a cat\""));
  folder.write("data.verb", kVerb);
  CHECK(read_wordnet_glosses(folder.path()).size() == 2);
}

TEST_CASE("lines that are not of WordNet are refused", "[wordnet]") {
  const ScratchFolder folder;
  folder.write("data.verb", kVerb);
  CHECK_THROWS_AS(read_wordnet_glosses(folder.path()), DataMissing);
  for (const std::string& contents :
       {std::string(), std::string("\n"), std::string("00000002 05\n"),
        std::string("00000002 05 n 01 beast 0 000\n"), std::string("00000002 xx n | a beast\n"),
        std::string("00000002 02 r | not of nouns or verbs\n"),
        std::string("00000002 44 n | not of nouns or verbs\n"),
        noun("fine") + std::string("\0\1\2\3\n", 5), noun(std::string(1 << 17, 'x')),
        noun("an animal \xC3\xA9"), noun(std::string("an\0animal", 9))}) {
    INFO(contents.substr(0, 80));
    folder.write("data.noun", contents);
    CHECK_THROWS_AS(read_wordnet_glosses(folder.path()), DataError);
  }
}

}  // namespace
