// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../support/tensor_file.hpp"
#include "../support/tensor_writer.hpp"

// The state of an optimizer of floats in a safetensors file, beside the model's parameters, so that
// a training goes on as if it had not been interrupted.
namespace examples::nn {

template <typename Optimizer>
void save_optimizer(Optimizer& optimizer, TensorWriter& file) {
  optimizer.visit([&](const std::string& name, auto&& entry) {
    if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
      file.add_metadata("optimizer." + name, std::to_string(entry));
    } else {
      std::vector<float> values(static_cast<std::size_t>(entry.size()));
      entry.read(values.data());
      file.add("optimizer." + name, {entry.rows(), entry.cols()}, values.data());
    }
  });
}

/// The optimizer has the same things attached under the same names as the one that was saved.
/// \throws std::runtime_error if the file lacks something.
template <typename Optimizer>
void load_optimizer(Optimizer& optimizer, const example::TensorFile& file) {
  optimizer.visit([&](const std::string& name, auto&& entry) {
    if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
      const std::string& text = file.metadata("optimizer." + name);
      if (text.empty() || text.size() > 18 ||
          text.find_first_not_of("0123456789") != std::string::npos) {
        file.fail("has a step count of " + name + " that is not a number");
      }
      entry = std::stoll(text);
    } else {
      const auto& stored = file.get("optimizer." + name, {entry.rows(), entry.cols()});
      const std::vector<float> values(stored.begin(), stored.end());
      entry.write(values.data());
    }
  });
}

}  // namespace examples::nn
