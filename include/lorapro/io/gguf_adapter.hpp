// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/io/adapter_rounding.hpp>
#include <lorapro/io/base_model.hpp>
#include <lorapro/io/gguf_file.hpp>
#include <lorapro/io/gguf_scales.hpp>
#include <lorapro/io/gguf_writer.hpp>
#include <lorapro/io/peft_adapter.hpp>

#include <map>     // std::map
#include <memory>  // std::shared_ptr

LORAPRO_NAMESPACE_BEGIN
namespace io {

namespace detail {

inline constexpr const char* kGgufArchitecture = "general.architecture";
inline constexpr const char* kGgufKind = "general.type";
inline constexpr const char* kGgufAdapterType = "adapter.type";
inline constexpr const char* kGgufAlpha = "adapter.lora.alpha";

/// ggml's numbers of general.file_type.
inline std::uint32_t gguf_file_type(StorageType type) {
  return type == StorageType::f32 ? 0 : type == StorageType::f16 ? 1 : 32;
}

}  // namespace detail

/// Writes an adapter as llama.cpp's `--lora` takes it, so that what it computes is s B A of every
/// module: rsLoRA, ranks and alphas that differ, and the order of the rows of q_proj and k_proj are
/// brought into the numbers. One module's factors at a time are in memory; the file is there whole
/// or not at all. \param base  of the model that the adapter belongs to (BaseModel::read of its
/// config.json). \param type  F32, F16 or BF16. \param name  general.name; none if empty. \param
/// largest_loss  of s B A in `type`, as a part of its norm (round_factors). \throws ConfigError (no
/// modules; DoRA, an embedding; a module that the architecture has not, by its name; F64; a number that is not finite
/// in `type`, or a larger loss), ShapeError (other shapes than the base's), FileError, and what the
/// modules throw. \cost in F16 and BF16 each factor is made twice, and as round_factors per module.
/// \ref llama.cpp, src/llama-adapter.cpp (loader) and convert_lora_to_gguf.py.
inline AdapterWriteReport write_gguf_adapter(const std::filesystem::path& path,
                                             const AdapterModules& modules, const BaseModel& base,
                                             StorageType type = StorageType::f32,
                                             const std::string& name = "",
                                             double largest_loss = kLargestFactorLoss) {
  if (modules.empty()) throw ConfigError("modules: expected at least one, got none");
  if (type == StorageType::f64) throw ConfigError("type: expected F32, F16 or BF16, got F64");
  detail::check_plain(modules, "llama.cpp");
  const detail::GgufScales scales(modules);
  GgufWriter writer;
  writer.add(detail::kGgufArchitecture, base.architecture);
  writer.add(detail::kGgufKind, std::string("adapter"));
  if (!name.empty()) writer.add("general.name", name);
  writer.add("general.file_type", detail::gguf_file_type(type));
  writer.add(detail::kGgufAdapterType, std::string("lora"));
  writer.add(detail::kGgufAlpha, scales.alpha());
  std::vector<GgufTarget> targets;
  std::vector<double> factors;
  for (const AdapterModule& module : modules) {
    const auto target = gguf_target(base, module.path);
    if (!target)
      throw ConfigError("module " + detail::quoted_name(module.path) +
                        ": expected one that llama.cpp's " + base.architecture + " has" +
                        (base.tied_embeddings && module.path == "lm_head"
                             ? ", which ties this one to the embedding"
                             : ""));
    checks::shape(module.path.c_str(), module.out_features, module.in_features,
                  target->out_features, target->in_features);
    targets.push_back(*target);
    factors.push_back(scales.factor(module));
  }
  AdapterWriteReport report;
  const detail::ModuleRoundings roundings(modules, type, largest_loss, factors, report);
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const AdapterModule& module = modules[i];
    const auto add = [&](const char* factor, const char* suffix, Index rows, Index cols,
                         const auto& make) {
      writer.add_tensor(targets[i].tensor + suffix,
                        {static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows)},
                        gguf_type_of(type), [=, &module](std::uint8_t* bytes) {
                          const RowMatrix<float> values = make();
                          detail::check_writable(module, factor, values, type, rows, cols);
                          visit_storage_type(type, [&](auto zero) {
                            detail::convert_bytes<float, decltype(zero)>(
                                reinterpret_cast<const unsigned char*>(values.data()), bytes,
                                static_cast<std::size_t>(values.size()));
                          });
                        });
    };
    add("lora_A", ".lora_a", module.rank, module.in_features,
        [i, &module, &roundings] { return roundings.lora_A(i, module.lora_A()); });
    add("lora_B", ".lora_b", module.out_features, module.rank,
        [i, &module, &roundings, heads = targets[i].permuted_heads] {
          const RowMatrix<float> from = roundings.lora_B(i, module.lora_B());
          RowMatrix<float> to = from;
          for (Index row = 0; heads > 0 && row < to.rows(); ++row)
            to.row(row) = from.row(permuted_row(row, to.rows(), heads));
          return to;
        });
  }
  AtomicFile file(path);
  writer.write([&](const std::uint8_t* bytes, std::size_t size) { file.write(bytes, size); });
  file.commit();
  report.warnings = file.warnings();
  return report;
}

/// As above, of a PEFT adapter directory. \throws also ConfigError where it has what llama.cpp's
/// adapters have not: whole tensors (modules_to_save, biases), or another W0 than the base model's.
inline AdapterWriteReport write_gguf_adapter(const std::filesystem::path& path,
                                             const PeftAdapter& adapter, const BaseModel& base,
                                             StorageType type = StorageType::f32,
                                             const std::string& name = "",
                                             double largest_loss = kLargestFactorLoss) {
  detail::check_pristine_base(adapter.config());
  if (!adapter.replaced().empty())
    throw ConfigError("adapter: expected pairs alone, got the whole tensor " +
                      detail::quoted_name(adapter.replaced().front().name));
  return write_gguf_adapter(path, adapter.modules(), base, type, name, largest_loss);
}

/// An adapter in a GGUF file, checked when it is opened, except for the numbers, which are checked
/// to be finite as they are read.
class GgufAdapter {
 public:
  /// \throws FileError; FormatError: no GGUF file, or not of a LoRA adapter; half of a pair, shapes
  /// that do not fit, tensors of another kind.
  explicit GgufAdapter(const std::filesystem::path& path) {
    auto file = std::make_shared<GgufFile>(path);
    reader_ = std::shared_ptr<const GgufReader>(file, &file->reader());
    expect(detail::kGgufKind, "adapter");
    expect(detail::kGgufAdapterType, "lora");
    architecture_ = reader_->get<std::string>(detail::kGgufArchitecture);
    alpha_ = reader_->get<float>(detail::kGgufAlpha);
    if (!is_finite(static_cast<double>(alpha_)))
      reader_->fail("adapter.lora.alpha: expected a finite number, got another");
    if (reader_->find("adapter.alora.invocation_tokens") != nullptr)
      reader_->fail("adapter.alora.invocation_tokens: expected none, as it is not supported");
    for (const GgufTensor& tensor : reader_->tensors()) sort_in(tensor);
    for (const auto& [name, halves] : pairs_) check_halves(name, halves);
  }

  const std::string& architecture() const { return architecture_; }
  float alpha() const { return alpha_; }
  const GgufReader& reader() const { return *reader_; }

  /// Modules under the names of llama.cpp's tensors (blk.0.attn_q.weight), rows as it has them.
  AdapterModules modules() const {
    AdapterModules out;
    for (const auto& [name, halves] : pairs_) out.push_back(module(name, halves, 0));
    sort_by_path(out);
    return out;
  }

  /// Modules under the base model's own paths, rows in its own order.
  /// \throws FormatError (another architecture, a tensor that it has not, other shapes).
  AdapterModules modules(const BaseModel& base) const {
    if (base.architecture != architecture_)
      reader_->fail("general.architecture: expected " + base.architecture +
                    ", as the base model has, got " + detail::quoted_name(architecture_));
    AdapterModules out;
    for (const auto& [name, halves] : pairs_) {
      const auto path = module_of_gguf(base, name);
      if (!path)
        reader_->fail("tensor " + detail::quoted_name(name) +
                      ": expected one that the base model has");
      const auto target = gguf_target(base, *path);
      AdapterModule found = module(name, halves, target->permuted_heads);
      if (found.out_features != target->out_features || found.in_features != target->in_features)
        reader_->fail("tensor " + detail::quoted_name(name) + ": expected " +
                      checks::shape_text(target->out_features, target->in_features) +
                      ", as the base model has, got " +
                      checks::shape_text(found.out_features, found.in_features));
      found.path = *path;
      out.push_back(std::move(found));
    }
    sort_by_path(out);
    return out;
  }

 private:
  struct Halves {
    const GgufTensor* A = nullptr;
    const GgufTensor* B = nullptr;
  };

  void expect(const char* key, const std::string& value) const {
    const auto& came = reader_->get<std::string>(key);
    if (came != value)
      reader_->fail(std::string(key) + ": expected " + value + ", got " +
                    detail::quoted_name(came));
  }

  void sort_in(const GgufTensor& tensor) {
    const std::string_view name = tensor.name;
    constexpr std::size_t kSuffix = 7;
    const std::string_view suffix = name.substr(name.size() - (std::min)(kSuffix, name.size()));
    const std::string base(name.substr(0, name.size() - suffix.size()));
    if (!storage_type_of(tensor.type))
      reader_->fail("tensor " + detail::quoted_name(name) +
                    ": expected F32, F16, F64 or BF16, got Q8_0");
    if (suffix == ".lora_a" && !base.empty()) {
      pairs_[base].A = &tensor;
    } else if (suffix == ".lora_b" && !base.empty()) {
      pairs_[base].B = &tensor;
    } else {
      reader_->fail("tensor " + detail::quoted_name(name) +
                    ": expected a name in .lora_a or .lora_b");
    }
  }

  void check_halves(const std::string& name, const Halves& halves) const {
    const auto fail = [&](const std::string& problem) {
      reader_->fail("tensor " + detail::quoted_name(name) + ": " + problem);
    };
    if (halves.A == nullptr) fail("expected a .lora_a, got none");
    if (halves.B == nullptr) fail("expected a .lora_b, got none");
    if (name == "token_embd.weight") fail("expected no embedding, as it is not supported");
    const auto &a = halves.A->ne, &b = halves.B->ne;
    if (a.size() != 2 || b.size() != 2) fail("expected two matrices, got other dimensions");
    for (const std::uint64_t size : {a[0], a[1], b[0], b[1]})
      if (size < 1 || size > std::uint64_t{1} << 31U)
        fail("expected sizes from 1 to 2^31, got " + std::to_string(size));
    if (a[1] != b[0])
      fail("expected one rank, got " + std::to_string(a[1]) + " in .lora_a and " +
           std::to_string(b[0]) + " in .lora_b");
  }

  /// llama.cpp takes an alpha of 0 for a scaling of 1.
  AdapterModule module(const std::string& name, const Halves& halves, Index heads) const {
    AdapterModule out;
    out.path = name;
    out.in_features = static_cast<Index>(halves.A->ne[0]);
    out.out_features = static_cast<Index>(halves.B->ne[1]);
    out.rank = static_cast<Index>(halves.A->ne[1]);
    out.lora_alpha = alpha_ == 0 ? static_cast<double>(out.rank) : static_cast<double>(alpha_);
    out.lora_A = [reader = reader_, halves] { return read_factor(*reader, halves, true); };
    out.lora_B = [reader = reader_, halves, heads] {
      const RowMatrix<float> from = read_factor(*reader, halves, false);
      RowMatrix<float> to = from;
      for (Index i = 0; heads > 0 && i < to.rows(); ++i)
        to.row(permuted_row(i, to.rows(), heads)) = from.row(i);
      return to;
    };
    return out;
  }

  /// One of two factors; where either is F64, both decide how they fit into float.
  static RowMatrix<float> read_factor(const GgufReader& reader, const Halves& halves, bool is_A) {
    const GgufTensor& tensor = is_A ? *halves.A : *halves.B;
    if (halves.A->type != GgufType::f64 && halves.B->type != GgufType::f64)
      return read<float>(reader, tensor);
    FloatFactors both =
        float_factors(read<double>(reader, *halves.A), read<double>(reader, *halves.B));
    if (!both.fits)
      reader.fail("tensor " + detail::quoted_name(tensor.name) +
                  ": expected factors whose product float can hold, got others");
    return is_A ? std::move(both.A) : std::move(both.B);
  }

  template <typename T>
  static RowMatrix<T> read(const GgufReader& reader, const GgufTensor& tensor) {
    RowMatrix<T> out(static_cast<Index>(tensor.ne[1]), static_cast<Index>(tensor.ne[0]));
    read_gguf(tensor, 0, static_cast<std::size_t>(out.size()), out.data());
    if (!detail::all_finite(out))
      reader.fail("tensor " + detail::quoted_name(tensor.name) +
                  ": expected finite numbers, got one that is not");
    return out;
  }

  std::shared_ptr<const GgufReader> reader_;
  std::string architecture_;
  float alpha_ = 0;
  std::map<std::string, Halves> pairs_;
};

}  // namespace io
LORAPRO_NAMESPACE_END
