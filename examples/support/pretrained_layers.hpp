// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <zlib.h>  // crc32

#include <cstdint>
#include <cstring>  // std::memcpy
#include <filesystem>
#include <fstream>
#include <iterator>  // std::istreambuf_iterator
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "atomic_file.hpp"
#include "labelled_images.hpp"

namespace examples {

/// The frozen base of a fine-tuning: weights (out, in) and biases of the hidden layers, and the
/// accuracy that they reached, with a head that is not kept, on what they were pretrained on.
struct PretrainedLayers {
  std::vector<RowMatrixf> weights;
  std::vector<Eigen::RowVectorXf> biases;
  double accuracy = 0.0;
};

// A file of pretrained layers is a text that says how they were made, the numbers in the order of
// PretrainedLayers and their CRC-32. A reader knows the text and the shapes that it wants, and
// hence every byte of the header and the size of the file: nothing in the file is trusted.
namespace detail {

/// Calls `visit(data, count)` on each block of numbers of `layers`, in the order of the file.
template <typename Layers, typename Visitor>
void visit_blocks(Layers& layers, Visitor&& visit) {
  visit(&layers.accuracy, 1);
  for (std::size_t i = 0; i < layers.weights.size(); ++i) {
    visit(layers.weights[i].data(), layers.weights[i].size());
    visit(layers.biases[i].data(), layers.biases[i].size());
  }
}

inline std::uint32_t crc32_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

inline std::string header_of(std::string_view recipe) {
  const std::uint32_t byte_order = 0x01020304;
  std::string header = "lorapro pretrained layers 1\n";
  header.append(reinterpret_cast<const char*>(&byte_order), sizeof byte_order);
  return header.append(recipe).append("\n");
}

inline std::string numbers_of(const PretrainedLayers& layers) {
  std::string numbers;
  visit_blocks(layers, [&](const auto* data, Eigen::Index count) {
    numbers.append(reinterpret_cast<const char*>(data),
                   static_cast<std::size_t>(count) * sizeof *data);
  });
  return numbers;
}

}  // namespace detail

/// A checksum that tells one base from another.
inline std::uint32_t fingerprint(const PretrainedLayers& layers) {
  return detail::crc32_of(detail::numbers_of(layers));
}

/// Writes `layers`, made as the one-line text `recipe` says, to `path`.
inline void write_pretrained(const std::filesystem::path& path, std::string_view recipe,
                             const PretrainedLayers& layers) {
  std::string contents = detail::header_of(recipe) + detail::numbers_of(layers);
  const std::uint32_t crc = detail::crc32_of(contents);
  contents.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  write_atomically(path, contents);
}

/// The layers in `path` if it is whole and was written for this `recipe`; widths[i] features go
/// into layer i and widths[i + 1] come out. Nothing if there is no such file, or another one.
inline std::optional<PretrainedLayers> read_pretrained(const std::filesystem::path& path,
                                                       std::string_view recipe,
                                                       const std::vector<Eigen::Index>& widths) {
  PretrainedLayers layers;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    layers.weights.emplace_back(RowMatrixf::Zero(widths[i + 1], widths[i]));
    layers.biases.emplace_back(Eigen::RowVectorXf::Zero(widths[i + 1]));
  }
  const std::string header = detail::header_of(recipe);
  std::size_t size = header.size() + sizeof(std::uint32_t);
  detail::visit_blocks(layers, [&](const auto* data, Eigen::Index count) {
    size += static_cast<std::size_t>(count) * sizeof *data;
  });

  std::error_code no_file;
  if (std::filesystem::file_size(path, no_file) != size || no_file) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  const std::string contents{std::istreambuf_iterator<char>(file), {}};
  if (contents.size() != size || contents.compare(0, header.size(), header) != 0) {
    return std::nullopt;
  }
  const std::string_view checked(contents.data(), size - sizeof(std::uint32_t));
  std::uint32_t crc;
  std::memcpy(&crc, contents.data() + checked.size(), sizeof crc);
  if (crc != detail::crc32_of(checked)) return std::nullopt;

  const char* next = contents.data() + header.size();
  detail::visit_blocks(layers, [&](auto* data, Eigen::Index count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof *data;
    std::memcpy(data, next, bytes);
    next += bytes;
  });
  for (const auto& weight : layers.weights) {
    if (!weight.allFinite()) return std::nullopt;
  }
  for (const auto& bias : layers.biases) {
    if (!bias.allFinite()) return std::nullopt;
  }
  return layers;
}

}  // namespace examples
