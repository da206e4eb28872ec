// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/model_files.hpp>

#include "llama_files.hpp"

namespace examples::llm {
namespace {

using lorapro::bfloat16;
using lorapro::io::Dtype;
using lorapro::io::SafetensorsReader;
using lorapro::io::TensorInfo;

class HfFolder final : public ModelTensors {
 public:
  explicit HfFolder(const std::string& path)
      : path_(path), config_(read_llama_config(path)), files_(path) {
    for (const auto& file : files_.files())
      for (const TensorInfo& tensor : file->tensors()) add(*file, tensor);
  }

  const LlamaConfig& config() const override { return config_; }
  std::string place() const override { return path_; }
  const std::map<std::string, Shape>& shapes() const override { return shapes_; }

  void read(const std::string& name, Index row, Index rows, float* out) const override {
    const auto found = files_.find(name);
    const Index cols = shapes_.at(name).back();
    found->file->read(*found->tensor, static_cast<std::uint64_t>(row * cols),
                      static_cast<std::size_t>(rows * cols), out);
  }

  const bfloat16* mapped(const std::string& name) const override {
    const auto found = files_.find(name);
    if (found->tensor->dtype != Dtype::bf16) return nullptr;
    const unsigned char* const bytes = found->file->mapped(*found->tensor);
    // The header in front of the numbers may have any length.
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes) % alignof(bfloat16) == 0;
    return aligned ? reinterpret_cast<const bfloat16*>(bytes) : nullptr;
  }

  void forget(const std::string& name) const override {
    const auto found = files_.find(name);
    found->file->forget(*found->tensor);
  }

 private:
  void add(const SafetensorsReader& file, const TensorInfo& tensor) {
    const auto fail = [&](const std::string& problem) {
      lorapro::io::detail::fail_tensor(file.path(), tensor.name, problem);
    };
    if (!lorapro::io::storage_type_of(tensor.dtype))
      fail("expected F64, F32, F16 or BF16, got " +
           std::string(lorapro::io::info(tensor.dtype).name));
    Shape shape;
    for (const std::uint64_t size : tensor.shape) {
      if (size > std::uint64_t{1} << 31U)
        fail("expected sizes up to 2^31, got " + lorapro::io::shape_text(tensor.shape));
      shape.push_back(static_cast<Index>(size));
    }
    if (!shapes_.emplace(tensor.name, std::move(shape)).second)
      fail("expected in one of the files, got it in two");
  }

  std::string path_;
  LlamaConfig config_;
  lorapro::io::detail::ModelFiles files_;
  std::map<std::string, Shape> shapes_;
};

}  // namespace

std::shared_ptr<const ModelTensors> open_hf_folder(const std::string& path) {
  return std::make_shared<HfFolder>(path);
}

}  // namespace examples::llm
