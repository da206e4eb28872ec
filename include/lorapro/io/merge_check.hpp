// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/embedding_merge.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace io {

/// What became of the tensors of a base checkpoint.
struct MergeReport {
  std::size_t merged = 0;    ///< weights to which a module was added, or from which it was taken
  std::size_t replaced = 0;  ///< tensors that the adapter has whole
  std::size_t copied = 0;    ///< all others, byte for byte
  std::size_t added = 0;     ///< tensors that the base has not: a head that was tied
  /// What else is to be known, a line each: a head that was untied or changes with the embedding, a
  /// vocabulary of another size, numbers that the base's type does not hold.
  std::vector<std::string> notes;
  Warnings warnings;  ///< AtomicFile::warnings
};

namespace detail {

/// A tensor of the merged checkpoint.
struct MergedTensor {
  std::string name;
  const TensorInfo* from;  // of the base
  TensorShape shape;
  const ReplacedTensor* whole = nullptr;
  const AdapterModule* pair = nullptr;
};

template <typename F>
void in_blocks(std::uint64_t size, const F& f) {
  constexpr std::uint64_t kBlock = std::uint64_t{1} << 20;
  for (std::uint64_t first = 0; first < size; first += kBlock)
    f(first, static_cast<std::size_t>((std::min)(kBlock, size - first)));
}

[[noreturn]] inline void fail_not_finite(const std::string& tensor, const std::string& dtype) {
  throw FormatError("tensor " + quoted_name(tensor) +
                    ": expected merged numbers that are finite in " + dtype +
                    ", got one that is not");
}

/// Tables of the vocabulary may have other rows, not other columns.
inline bool may_grow(const MergedTensor& tensor) {
  const TensorShape &now = tensor.shape, &before = tensor.from->shape;
  const std::string module = tensor.name.substr(0, tensor.name.rfind('.'));
  return (is_embedding(module) || is_head(module)) && now.size() == before.size() && !now.empty() &&
         std::equal(now.begin() + 1, now.end(), before.begin() + 1);
}

/// Whether a module's weight is (in, out), as tables are. A head is linear also where the others are
/// not.
inline bool is_transposed(const MergedTensor& tensor, const PeftConfig& config) {
  if (tensor.pair != nullptr && tensor.pair->is_embedding) return true;
  return config.fan_in_fan_out && !is_head(module_of_weight(tensor.name));
}

/// The tensor as the merged file has it. \throws ConfigError.
inline TensorInfo sized_as(const MergedTensor& tensor) {
  TensorInfo out{tensor.name, tensor.from->dtype, tensor.shape, 0, 0};
  const std::string problem = size_problem(out.dtype, out.shape, out.end);
  if (!problem.empty()) throw ConfigError("tensor " + quoted_name(tensor.name) + ": " + problem);
  return out;
}

/// That a whole tensor is finite in the base's type, and what it loses there.
inline void check_numbers(const MergedTensor& tensor, double largest_loss, MergeReport& report) {
  const Dtype dtype = tensor.from->dtype;
  const std::string name(info(dtype).name);
  double error = 0, norm = 0;
  in_blocks(tensor.whole->tensor.count(), [&](std::uint64_t first, std::size_t count) {
    std::vector<double> block(count);
    tensor.whole->file->read(tensor.whole->tensor, first, count, block.data());
    visit_storage_type(*storage_type_of(dtype), [&](auto zero) {
      for (const double x : block) {
        const double came = rounded_to<decltype(zero)>(x);
        if (!is_finite(came)) fail_not_finite(tensor.name, name);
        error += (came - x) * (came - x);
        norm += x * x;
      }
    });
  });
  const double loss = norm > 0 ? std::sqrt(error / norm) : 0;
  if (loss <= storage_epsilon(*storage_type_of(dtype)) / 2) return;
  const std::string text = "tensor " + quoted_name(tensor.name) + ": ";
  if (!(loss <= largest_loss))
    throw ConfigError(text + "expected to lose at most " + percent_text(largest_loss) +
                      " of its norm in the base's " + name + ", got " + percent_text(loss));
  report.notes.push_back(text + "loses " + percent_text(loss) + " of its norm in the base's " +
                         name);
}

/// All of a tensor that can be known without the base's numbers.
/// \param file  of the base, with tensor.from.
/// \throws FormatError (other shapes or dtypes, by both files; numbers), ConfigError (a loss).
inline void check_merge(const SafetensorsReader& file, const MergedTensor& tensor,
                        const PeftAdapter& adapter, double largest_loss, MergeReport& report) {
  const std::string there = shape_text(tensor.from->shape) + ", as " + file.path().string() +
                            " has " + quoted_name(tensor.from->name);
  if (!storage_type_of(tensor.from->dtype))
    fail_tensor(file.path(), tensor.from->name,
                "expected F64, F32, F16 or BF16 to merge into, got " +
                    std::string(info(tensor.from->dtype).name));
  if (tensor.whole != nullptr) {
    const TensorInfo& whole = tensor.whole->tensor;
    const auto& path = tensor.whole->file->path();
    if (!storage_type_of(whole.dtype))
      fail_tensor(path, whole.name, "expected F64, F32, F16 or BF16");
    if (whole.shape != tensor.from->shape && !may_grow(tensor))
      fail_tensor(path, whole.name,
                  "expected the shape " + there + ", got " + shape_text(whole.shape));
    if (tensor.pair == nullptr) check_numbers(tensor, largest_loss, report);
  }
  if (tensor.pair != nullptr) {
    TensorShape shape{static_cast<std::uint64_t>(tensor.pair->out_features),
                      static_cast<std::uint64_t>(tensor.pair->in_features)};
    if (is_transposed(tensor, adapter.config())) {
      std::swap(shape[0], shape[1]);
      if (tensor.pair->is_dora())
        throw ConfigError("module " + quoted_name(tensor.pair->path) +
                          ": expected a weight of (out, in) to merge DoRA into, got one of (in, "
                          "out), as fan_in_fan_out is true");
    }
    if (shape != tensor.shape)
      throw FormatError(adapter.file().path().string() + ": module " +
                        quoted_name(tensor.pair->path) + ": expected the shape " +
                        (tensor.whole != nullptr ? shape_text(tensor.shape) : there) + ", got " +
                        shape_text(shape));
  }
}

}  // namespace detail
}  // namespace io
LORAPRO_NAMESPACE_END
