// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model_tensors.hpp"
#include "tokens.hpp"

namespace examples::llm {

/// A number of 64 bits by which two things are told to be different, not proven to be the same.
/// \ref FNV-1a: Fowler, Noll, Vo, draft-eastlake-fnv.
class Fingerprint {
 public:
  void add(const void* data, std::size_t count);
  void add(std::string_view text);
  void add(std::int64_t number);

  /// In 16 hexadecimal digits.
  std::string text() const;

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

/// Of what a model sees of its data: ids, and what the loss asks for.
std::string fingerprint_of(const std::vector<TokenizedExample>& examples);

/// Of a model: names and shapes of its tensors, and rows at the beginning, in the middle and at the
/// end of each, so that it does not take long.
std::string fingerprint_of(const ModelTensors& tensors);

}  // namespace examples::llm
