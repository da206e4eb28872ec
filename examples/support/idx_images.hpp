// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <zlib.h>  // gzFile, gzread

#include <algorithm>  // std::min
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "labelled_images.hpp"

namespace examples {

/// Reads the gzip-compressed IDX files in which MNIST and its relatives are published: a big-endian
/// magic number 0x0000'08'dd (unsigned bytes, dd dimensions), dd big-endian sizes, then the bytes.
struct IdxBytes {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> bytes;
};

/// Reads `path`, which must have exactly `dimensions` dimensions.
/// \throws DataMissing if there is no such file; DataError if its magic number or sizes are wrong,
///         or if it is shorter or longer than they say.
inline IdxBytes read_idx(const std::filesystem::path& path, std::size_t dimensions) {
  const auto fail = [&](const std::string& what) { throw DataError(path.string() + ": " + what); };
  if (!std::filesystem::exists(path)) throw DataMissing("there is no " + path.string());
  const std::unique_ptr<std::remove_pointer_t<gzFile>, int (*)(gzFile)> file(
      gzopen(path.c_str(), "rb"), gzclose);
  if (!file) fail("cannot be opened");

  const auto read_size = [&] {
    std::uint8_t b[4];
    if (gzread(file.get(), b, 4) != 4) fail("ends within its header");
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  };
  if (read_size() != (0x0800U | dimensions)) {
    fail("is not an IDX file of bytes in " + std::to_string(dimensions) + " dimensions");
  }
  constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 30;
  IdxBytes idx;
  std::uint64_t total = 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    idx.sizes.push_back(read_size());
    total *= idx.sizes.back();  // < 2^62: the product before it was at most 2^30
    if (total == 0 || total > kMaxBytes) fail("says that it is empty or larger than 1 GiB");
  }
  // Grown as the bytes come, so that a header that lies costs no memory.
  constexpr std::size_t kChunk = std::size_t{1} << 20;
  while (idx.bytes.size() < total) {
    const auto old_size = idx.bytes.size();
    const auto wanted = std::min<std::uint64_t>(kChunk, total - old_size);
    idx.bytes.resize(old_size + wanted);
    const int got = gzread(file.get(), idx.bytes.data() + old_size, static_cast<unsigned>(wanted));
    if (got < 0 || static_cast<std::uint64_t>(got) != wanted) fail("is truncated or damaged");
  }
  // Reading past the end also makes zlib compare the checksum of the whole stream.
  std::uint8_t extra;
  if (gzread(file.get(), &extra, 1) != 0) fail("is damaged or longer than its header says");
  return idx;
}

/// Images of the classes [first_class, last_class] in an image and a label file; classes are
/// renumbered from 0.
/// \throws DataMissing, DataError as read_idx; DataError if the two files do not belong together.
inline LabelledImages read_idx_images(const std::filesystem::path& image_path,
                                      const std::filesystem::path& label_path, int first_class,
                                      int last_class) {
  const IdxBytes labels = read_idx(label_path, 1);
  const IdxBytes images = read_idx(image_path, 3);
  if (labels.sizes[0] != images.sizes[0]) {
    throw DataError(label_path.string() + ": has " + std::to_string(labels.sizes[0]) +
                    " labels for " + std::to_string(images.sizes[0]) + " images");
  }
  LabelledImages selected;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < labels.bytes.size(); ++i) {
    const int label = labels.bytes[i];
    if (label < first_class || label > last_class) continue;
    positions.push_back(i);
    selected.labels.push_back(label - first_class);
  }
  if (positions.empty()) throw DataError(label_path.string() + ": has no image of these classes");
  const std::size_t pixels = std::size_t{images.sizes[1]} * images.sizes[2];
  selected.pixels.resize(static_cast<Eigen::Index>(positions.size()),
                         static_cast<Eigen::Index>(pixels));
  for (std::size_t i = 0; i < positions.size(); ++i) {
    using Bytes = Eigen::Matrix<std::uint8_t, 1, Eigen::Dynamic>;
    const Eigen::Map<const Bytes> image(images.bytes.data() + positions[i] * pixels,
                                        static_cast<Eigen::Index>(pixels));
    selected.pixels.row(static_cast<Eigen::Index>(i)) = image.cast<float>() / 255.0F;
  }
  return selected;
}

}  // namespace examples
