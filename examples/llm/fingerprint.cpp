// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "fingerprint.hpp"

#include <fmt/format.h>

namespace examples::llm {

void Fingerprint::add(const void* data, std::size_t count) {
  const auto* const bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < count; ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001b3ULL;
}

void Fingerprint::add(std::string_view text) {
  add(static_cast<std::int64_t>(text.size()));
  add(text.data(), text.size());
}

void Fingerprint::add(std::int64_t number) { add(&number, sizeof number); }

std::string Fingerprint::text() const { return fmt::format("{:016x}", hash_); }

std::string fingerprint_of(const std::vector<TokenizedExample>& examples) {
  Fingerprint fingerprint;
  fingerprint.add(static_cast<std::int64_t>(examples.size()));
  for (const TokenizedExample& example : examples) {
    fingerprint.add(static_cast<std::int64_t>(example.ids.size()));
    for (std::size_t t = 0; t < example.ids.size(); ++t) {
      fingerprint.add(2 * std::int64_t{example.ids[t]} + (example.trained[t] ? 1 : 0));
    }
  }
  return fingerprint.text();
}

std::string fingerprint_of(const ModelTensors& tensors) {
  Fingerprint fingerprint;
  std::vector<float> row;
  for (const auto& [name, shape] : tensors.shapes()) {
    fingerprint.add(name);
    for (const Index size : shape) fingerprint.add(std::int64_t{size});
    if (shape.empty()) continue;
    const bool is_vector = shape.size() == 1;
    const Index rows = is_vector ? 1 : shape.front();
    row.resize(static_cast<std::size_t>(is_vector ? shape[0] : shape.back()));
    for (const Index at : {Index{0}, rows / 2, rows - 1}) {
      tensors.read(name, at, 1, row.data());
      fingerprint.add(row.data(), row.size() * sizeof(float));
    }
  }
  return fingerprint.text();
}

}  // namespace examples::llm
