// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/lora_config.hpp>

#include <cstddef>
#include <string>

#include "reference_file.hpp"

namespace example {

/// A reference case of a start of A and B, or of DoRA: what goes in, and what has to come out of it.
/// tests/golden/README.md has the formulas.
class ReferenceCase {
 public:
  using Matrix = lorapro::RowMatrix<double>;

  explicit ReferenceCase(const std::string& path) : file_(path) {}

  /// Whether a file is one: it names its kind.
  static bool is_case(const SafetensorsReader& file) { return file.metadata().count("kind") != 0; }

  const SafetensorsReader& file() const { return file_; }
  double number(const std::string& key) const { return metadata_number(file_, key); }
  lorapro::Index size(const std::string& key) const { return metadata_size(file_, key); }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  /// Rank and scaling of the case.
  lorapro::LoraConfig config() const {
    lorapro::LoraConfig out;
    out.rank = size("r");
    out.lora_alpha = number("s") * static_cast<double>(out.rank);
    return out;
  }

  /// A tensor; a vector is a row.
  Matrix matrix(const std::string& name) const {
    const auto& tensor = file_.at(name);
    const auto& shape = tensor.shape;
    if (shape.empty() || shape.size() > 2) fail(file_, name + ": expected a vector or a matrix");
    const auto at = [&](std::size_t k) { return static_cast<lorapro::Index>(shape[k]); };
    Matrix out(shape.size() == 1 ? 1 : at(0), at(shape.size() - 1));
    file_.read(tensor, out.data());
    return out;
  }

  /// One of a shape that it has to have.
  Matrix matrix(const std::string& name, lorapro::Index rows, lorapro::Index cols) const {
    Matrix out = matrix(name);
    if (out.rows() != rows || out.cols() != cols)
      fail(file_, name + ": expected the shape (" + std::to_string(rows) + ", " +
                      std::to_string(cols) + "), got (" + std::to_string(out.rows()) + ", " +
                      std::to_string(out.cols()) + ")");
    return out;
  }

  template <typename Scalar>
  lorapro::RowMatrix<Scalar> matrix_of(const std::string& name) const {
    return matrix(name).template cast<Scalar>();
  }

 private:
  SafetensorsReader file_;
};

}  // namespace example
