// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "examples/llm/dry_run.hpp"

#include "letter_tokenizer.hpp"
#include "support/catch.hpp"

namespace {

namespace llm = examples::llm;

TEST_CASE("an example is shown with its ids and what the loss asks for", "[dry_run]") {
  const LetterTokenizer tokenizer({});
  const llm::TokenizedExample example{{256, 'Q', '\n', 'A', 257},
                                      {false, false, false, true, true}};
  CHECK(llm::describe_example(example, tokenizer) ==
        "the first example:\n<s>Q\nA</s>\nits tokens, * where the loss asks for them:\n"
        "     256   <s>\n      81   Q\n      10   \\n\n      65 * A\n     257 * </s>\n");
}

}  // namespace
