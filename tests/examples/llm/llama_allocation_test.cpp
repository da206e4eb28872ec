// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// An executable of its own, since it replaces operator new:
#include <cstdlib>
#include <new>

#include "examples/llm/llama.hpp"
#include "support/tiny_llama.hpp"

namespace {
long llama_allocations = 0;
}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
  ++llama_allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace tiny_llama;

TEST_CASE("a step allocates nothing once such a batch has passed", "[llm][llama]") {
  LlamaConfig kind = config();
  kind.qk_norm = true;
  LlamaOptions with = options();
  with.lora.lora_dropout = 0.1;
  auto model = tiny_llama::model<float>(kind, with);
  const TokenBatch longest = batch(kind, {100, 60}), shorter = batch(kind, {50, 40, 30});
  model.accumulate_gradients(longest);
  model.accumulate_gradients(shorter);
  model.evaluate(longest);
  const long before = llama_allocations;
  model.accumulate_gradients(longest);
  model.accumulate_gradients(shorter);
  model.evaluate(shorter);
  const long after = llama_allocations;
  CHECK(after == before);
}

}  // namespace
