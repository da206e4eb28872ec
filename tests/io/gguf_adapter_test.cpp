// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/gguf_adapter.hpp>

#include <limits>

#include "support/adapter_modules.hpp"
#include "support/gguf_bytes.hpp"
#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"
#include "support/tolerance.hpp"

namespace {

using gguf_bytes::Bytes;
using lorapro::ConfigError;
using lorapro::FormatError;
using lorapro::Index;
using lorapro::LoraLayer;
using lorapro::RowMatrix;
using lorapro::StorageType;
using lorapro::io::AdapterModule;
using lorapro::io::AdapterModules;
using lorapro::io::BaseModel;
using lorapro::io::GgufAdapter;
using lorapro::io::write_gguf_adapter;
using reference::Real;
using reference::RealMatrix;
using support::random_module;

const std::string kLayer = "model.layers.0.";

/// q: (12, 8) of 2 heads; k, v: (6, 8) of 1 head; the MLP has 6. In heads of 6 rows, unlike in
/// those of 4, the order of the rows is not its own opposite.
BaseModel llama_like(const std::string& architecture) {
  BaseModel base;
  base.architecture = architecture;
  base.layers = 1;
  base.hidden_size = 8;
  base.intermediate_size = 6;
  base.heads = 2;
  base.kv_heads = 1;
  base.head_dim = 6;
  base.vocab_size = 10;
  return base;
}

AdapterModule module_of(const std::string& path, const RowMatrix<float>& A,
                        const RowMatrix<float>& B, double alpha) {
  return {path, B.rows(), A.cols(), A.rows(), alpha, false, [A] { return A; }, [B] { return B; }};
}

/// An adapter of k_proj, rank 1, alpha 3, as the format's description has it: B is 10 to 15
/// in the base model's order.
Bytes adapter_by_hand() {
  using namespace gguf_bytes;
  Bytes out = Bytes().header(2, 5);
  out.key("general.architecture", text).string("llama");
  out.key("general.type", text).string("adapter");
  out.key("general.file_type", u32).put(std::uint32_t{0});
  out.key("adapter.type", text).string("lora");
  out.key("adapter.lora.alpha", f32).put(3.0F);
  out.tensor("blk.0.attn_k.weight.lora_a", {8, 1}, 0, 0);
  out.tensor("blk.0.attn_k.weight.lora_b", {1, 6}, 0, 32).pad();
  for (int k = 1; k <= 8; ++k) out.put(static_cast<float>(k));
  out.pad().put(10.0F).put(13.0F).put(11.0F).put(14.0F).put(12.0F).put(15.0F);
  return out.pad();
}

RowMatrix<float> range(Index rows, Index cols, float first) {
  RowMatrix<float> out(rows, cols);
  for (Index k = 0; k < out.size(); ++k) out.data()[k] = first + static_cast<float>(k);
  return out;
}

TEST_CASE("the exported file is the one made by hand, byte for byte", "[gguf_adapter]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "a.gguf";
  write_gguf_adapter(path,
                     {module_of(kLayer + "self_attn.k_proj", range(1, 8, 1), range(6, 1, 10), 3)},
                     llama_like("llama"));
  CHECK(bytes_of_file(path) == adapter_by_hand().str());
  CHECK_FALSE(std::filesystem::exists(folder.path() / "a.gguf.part"));
}

TEST_CASE("the file made by hand is read, with and without the base model", "[gguf_adapter]") {
  const ScratchFolder folder;
  const GgufAdapter adapter(folder.write("a.gguf", adapter_by_hand().str()));
  CHECK(adapter.architecture() == "llama");
  CHECK(adapter.alpha() == 3);
  const auto raw = adapter.modules();
  REQUIRE(raw.size() == 1);
  CHECK(raw[0].path == "blk.0.attn_k.weight");
  CHECK(raw[0].lora_B()(1, 0) == 13);
  const auto named = adapter.modules(llama_like("llama"));
  REQUIRE(named.size() == 1);
  CHECK(named[0].path == kLayer + "self_attn.k_proj");
  CHECK(named[0].rank == 1);
  CHECK(named[0].scaling() == 3);
  CHECK(named[0].lora_A() == range(1, 8, 1));
  CHECK(named[0].lora_B() == range(6, 1, 10));
}

/// s B A of a file as llama.cpp computes it, rows put back by reshaping: nothing but the container
/// is read by the library.
RealMatrix delta_in_file(const GgufAdapter& file, const std::string& tensor, Index heads) {
  const lorapro::io::GgufTensor *a = nullptr, *b = nullptr;
  for (const auto& candidate : file.reader().tensors()) {
    if (candidate.name == tensor + ".lora_a") a = &candidate;
    if (candidate.name == tensor + ".lora_b") b = &candidate;
  }
  REQUIRE(a != nullptr);
  REQUIRE(b != nullptr);
  const auto matrix = [](const auto& from) {
    RealMatrix out(static_cast<Index>(from.ne[1]), static_cast<Index>(from.ne[0]));
    for (Index k = 0; k < out.size(); ++k)
      lorapro::visit_storage_type(*lorapro::io::storage_type_of(from.type), [&](auto element) {
        std::memcpy(&element, from.data + static_cast<std::size_t>(k) * sizeof element,
                    sizeof element);
        out.data()[k] = static_cast<Real>(static_cast<float>(element));
      });
    return out;
  };
  const RealMatrix permuted = matrix(*b);
  RealMatrix B = permuted;
  const Index half = heads > 0 ? B.rows() / heads / 2 : 0;
  Index row = 0;
  for (Index h = 0; h < heads; ++h)
    for (Index i = 0; i < half; ++i)
      for (Index j = 0; j < 2; ++j) B.row(h * 2 * half + j * half + i) = permuted.row(row++);
  const auto rank = static_cast<float>(b->ne[0]);
  const float scale = file.alpha() != 0 ? file.alpha() / rank : 1;
  return Real(scale) * reference::product(B, matrix(*a));
}

struct Case {
  std::string module, tensor;
  Index out, in, heads;
};
const std::vector<Case> kCases{
    {"self_attn.q_proj", "attn_q", 12, 8, 2}, {"self_attn.k_proj", "attn_k", 6, 8, 1},
    {"self_attn.v_proj", "attn_v", 6, 8, 0},  {"self_attn.o_proj", "attn_output", 8, 12, 0},
    {"mlp.gate_proj", "ffn_gate", 6, 8, 0},   {"mlp.up_proj", "ffn_up", 6, 8, 0},
    {"mlp.down_proj", "ffn_down", 8, 6, 0}};

/// Writes the modules and compares s B A of each with what llama.cpp would compute.
void check_deltas(const AdapterModules& modules, const std::string& architecture,
                  StorageType type) {
  const ScratchFolder folder;
  const auto path = folder.path() / "a.gguf";
  write_gguf_adapter(path, modules, llama_like(architecture), type);
  const GgufAdapter file(path);
  const double eps = lorapro::storage_epsilon(type);
  for (const AdapterModule& module : modules) {
    const auto found = std::find_if(kCases.begin(), kCases.end(), [&](const Case& candidate) {
      return module.path == kLayer + candidate.module;
    });
    const RealMatrix expected = support::delta(module);
    const double norm = std::abs(module.scaling()) *
                        static_cast<double>(reference::norm(reference::real(module.lora_B())) *
                                            reference::norm(reference::real(module.lora_A())));
    CAPTURE(module.path, module.scaling());
    CHECK(support::distance(delta_in_file(file, "blk.0." + found->tensor + ".weight",
                                          architecture == "llama" ? found->heads : 0),
                            expected) <= 4 * eps * norm);
  }
}

TEST_CASE("s B A of full-rank layers is what llama.cpp computes", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 41);
  for (const std::string architecture : {"llama", "qwen2", "qwen3"})
    for (const bool rslora : {false, true})
      for (const StorageType type : {StorageType::f32, StorageType::f16, StorageType::bf16}) {
        CAPTURE(architecture, rslora, static_cast<int>(type));
        std::vector<RowMatrix<float>> weights;
        std::vector<LoraLayer<float>> layers;
        AdapterModules modules;
        weights.reserve(kCases.size());
        layers.reserve(kCases.size());
        for (const Case& each : kCases) {
          weights.push_back(RowMatrix<float>::Zero(each.out, each.in));
          lorapro::LoraConfig config;
          config.rank = std::min(each.out, each.in);
          config.lora_alpha = 5;
          config.use_rslora = rslora;
          layers.emplace_back(
              lorapro::BaseWeight<float>::map(weights.back().data(), each.out, each.in), config);
          layers.back().lora_B() = reference::rounded<float>(random.matrix(each.out, config.rank));
          modules.push_back(lorapro::io::adapter_module(kLayer + each.module, layers.back()));
        }
        check_deltas(modules, architecture, type);
      }
}

TEST_CASE("ranks and alphas that differ, zero and negative ones too", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 42);
  const double alphas[] = {4, 4, 0, -3, 1e-3, 0.1, 700};
  AdapterModules modules;
  for (std::size_t k = 0; k < kCases.size(); ++k)
    modules.push_back(random_module(random, kLayer + kCases[k].module, kCases[k].out, kCases[k].in,
                                    static_cast<Index>(1 + k % 4), alphas[k], k % 2 == 0));
  for (const StorageType type : {StorageType::f32, StorageType::f16, StorageType::bf16})
    check_deltas(modules, "llama", type);
  for (AdapterModule& module : modules) module.lora_alpha = 0;
  check_deltas(modules, "llama", StorageType::f32);
}

TEST_CASE("a common scaling leaves every number as it is", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 43);
  for (const bool rslora : {false, true}) {
    AdapterModules modules;
    for (const Case& each : kCases)
      modules.push_back(
          random_module(random, kLayer + each.module, each.out, each.in, 3, 0.1, rslora));
    const ScratchFolder folder;
    write_gguf_adapter(folder.path() / "a.gguf", modules, llama_like("llama"));
    const GgufAdapter file(folder.path() / "a.gguf");
    CHECK(file.alpha() == static_cast<float>(rslora ? 0.1 / std::sqrt(3.0) * 3 : 0.1));
    const auto back = file.modules(llama_like("llama"));
    REQUIRE(back.size() == modules.size());
    for (const AdapterModule& module : modules) {
      const auto same = std::find_if(back.begin(), back.end(),
                                     [&](const auto& other) { return other.path == module.path; });
      REQUIRE(same != back.end());
      CHECK(same->lora_A() == module.lora_A());
      CHECK(same->lora_B() == module.lora_B());
      CHECK(same->scaling() == Approx(module.scaling()).epsilon(1e-7));
    }
  }
}

TEST_CASE("a file that was read is written with the same bytes", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 44);
  AdapterModules modules;
  for (std::size_t k = 0; k < kCases.size(); ++k)
    modules.push_back(random_module(random, kLayer + kCases[k].module, kCases[k].out, kCases[k].in,
                                    static_cast<Index>(1 + k % 3), 2, true));
  for (const StorageType type : {StorageType::f32, StorageType::f16, StorageType::bf16}) {
    const ScratchFolder folder;
    const auto first = folder.path() / "1.gguf", second = folder.path() / "2.gguf",
               third = folder.path() / "3.gguf";
    write_gguf_adapter(first, modules, llama_like("llama"), type, "name");
    write_gguf_adapter(second, GgufAdapter(first).modules(llama_like("llama")), llama_like("llama"),
                       type, "name");
    write_gguf_adapter(third, GgufAdapter(second).modules(llama_like("llama")), llama_like("llama"),
                       type, "name");
    CHECK(bytes_of_file(second).size() == bytes_of_file(first).size());
    CHECK(bytes_of_file(third) == bytes_of_file(second));
  }
}

TEST_CASE("what llama.cpp cannot take is refused by name and leaves no file", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 45);
  const ScratchFolder folder;
  const auto path = folder.path() / "a.gguf";
  const auto refused = [&](const AdapterModules& modules, const std::string& message,
                           StorageType type = StorageType::f32) {
    CHECK_THROWS_WITH(write_gguf_adapter(path, modules, llama_like("llama"), type),
                      contains_text(message));
    CHECK(std::filesystem::is_empty(folder.path()));
  };
  const auto good = random_module(random, kLayer + "mlp.up_proj", 6, 8, 2, 1);
  refused({}, "modules: expected at least one");
  refused({good}, "type: expected F32, F16 or BF16, got F64", StorageType::f64);
  refused({good, random_module(random, "model.embed_tokens", 10, 8, 2, 1)},
          "module \"model.embed_tokens\": expected one that llama.cpp's llama has");
  refused({good, random_module(random, "model.layers.1.mlp.up_proj", 6, 8, 2, 1)},
          "module \"model.layers.1.mlp.up_proj\"");
  refused({random_module(random, kLayer + "mlp.up_proj", 6, 7, 2, 1)},
          "mlp.up_proj: expected (6, 8), got (6, 7)");
  refused({good, good}, "expected a new name, got blk.0.ffn_up.weight.lora_a again");
  refused({module_of(kLayer + "mlp.up_proj", range(1, 8, 70000), range(6, 1, 70000), 1)},
          "lora_A: expected numbers that are finite in F16", StorageType::f16);
  refused({module_of(kLayer + "mlp.up_proj", 1e-8F * range(1, 8, 1), 1e-7F * range(6, 1, 1), 1)},
          "mlp.up_proj: expected to lose at most 5 % of the norm of s B A in F16",
          StorageType::f16);
  auto other = random_module(random, kLayer + "mlp.down_proj", 8, 6, 2, 1e6);
  refused({good, good, other}, "again");
  other.lora_B = []() -> RowMatrix<float> { throw FormatError("broken"); };
  refused({good, other}, "broken");
  // What is folded into lora_B may leave the range of the type.
  AdapterModules folded{random_module(random, kLayer + "self_attn.v_proj", 6, 8, 2, 1), good,
                        module_of(kLayer + "mlp.down_proj", range(1, 6, 1), range(8, 1, 1), 1e10)};
  refused(folded, "down_proj.lora_A: expected numbers that are finite in F16", StorageType::f16);
}

TEST_CASE("powers of two go between factors that do not fit the type", "[gguf_adapter]") {
  LORAPRO_TEST_RANDOM(random, 44);
  AdapterModules modules;
  const std::pair<float, float> sizes[] = {
      {0.1F, 1e-7F}, {1e5F, 0.1F}, {0.1F, 1e-5F}, {1e-8F, 1e4F}, {1, 1}, {1, 1}, {1, 1}};
  for (std::size_t k = 0; k < kCases.size(); ++k) {
    AdapterModule module =
        random_module(random, kLayer + kCases[k].module, kCases[k].out, kCases[k].in, 2, 4);
    const RowMatrix<float> A = sizes[k].first * module.lora_A();
    const RowMatrix<float> B = sizes[k].second * module.lora_B();
    module.lora_A = [A] { return A; };
    module.lora_B = [B] { return B; };
    modules.push_back(module);
  }
  // What is folded in leaves the range of F16, and F32's as well.
  modules[5].lora_alpha = 1e8;
  check_deltas(modules, "llama", StorageType::f16);
  modules[5].lora_alpha = 4e-44;
  check_deltas(modules, "llama", StorageType::f32);
  check_deltas(modules, "llama", StorageType::bf16);

  const ScratchFolder folder;
  modules[5].lora_alpha = 4;
  const auto report =
      write_gguf_adapter(folder.path() / "a.gguf", modules, llama_like("llama"), StorageType::f16);
  CHECK(report.balanced.size() == 4);
  CHECK(report.lossy.empty());
  CHECK(report.warnings.empty());
  // Nothing can be done for a product that is too small, but to say so.
  const AdapterModules tiny{
      module_of(kLayer + "mlp.up_proj", 1e-8F * range(1, 8, 1), 1e-7F * range(6, 1, 1), 1)};
  const auto allowed = write_gguf_adapter(folder.path() / "b.gguf", tiny, llama_like("llama"),
                                          StorageType::f16, "", 1);
  REQUIRE(allowed.lossy.size() == 1);
  CHECK(allowed.lossy[0].loss > 0.05);
  CHECK(allowed.lossy[0].loss <= 1);
}

TEST_CASE("factors of F64 in a file, also such as float does not hold", "[gguf_adapter]") {
  using namespace gguf_bytes;
  Bytes bytes = Bytes().header(2, 4);
  bytes.key("general.architecture", text).string("llama");
  bytes.key("general.type", text).string("adapter");
  bytes.key("adapter.type", text).string("lora");
  bytes.key("adapter.lora.alpha", f32).put(1.0F);
  bytes.tensor("blk.0.ffn_up.weight.lora_a", {2, 1}, 28, 0);
  bytes.tensor("blk.0.ffn_up.weight.lora_b", {1, 2}, 28, 32).pad();
  bytes.put(1e60).put(2e60).pad().put(3e-60).put(4e-60).pad();
  const ScratchFolder folder;
  const auto modules = GgufAdapter(folder.write("a.gguf", bytes.str())).modules();
  REQUIRE(modules.size() == 1);
  const RowMatrix<float> product = modules[0].lora_B() * modules[0].lora_A();
  CHECK(product(0, 0) == Approx(3));
  CHECK(product(1, 1) == Approx(8));
}

/// The parts of a file: what comes before the tensors, then two tensors of one float each.
Bytes with_tensors(const std::string& first, const std::vector<std::uint64_t>& first_ne,
                   const std::string& second, const std::vector<std::uint64_t>& second_ne) {
  using namespace gguf_bytes;
  Bytes out = Bytes().header(2, 4);
  out.key("general.architecture", text).string("llama");
  out.key("general.type", text).string("adapter");
  out.key("adapter.type", text).string("lora");
  out.key("adapter.lora.alpha", f32).put(3.0F);
  out.tensor(first, first_ne, 0, 0).tensor(second, second_ne, 0, 32).pad();
  return out.raw(std::string(64, '\0'));
}

TEST_CASE("the rules of an adapter's file, broken one at a time", "[gguf_adapter]") {
  using namespace gguf_bytes;
  const ScratchFolder folder;
  const auto refused = [&](const std::string& bytes, const std::string& message) {
    const auto path = folder.write("a.gguf", bytes);
    CHECK_THROWS_AS(GgufAdapter(path), FormatError);
    CHECK_THROWS_WITH(GgufAdapter(path), contains_text("a.gguf: ") && contains_text(message));
  };
  const auto keys = [](const std::string& architecture, const std::string& type,
                       const std::string& adapter) {
    Bytes out = Bytes().header(0, 4);
    out.key("general.architecture", text).string(architecture);
    out.key("general.type", text).string(type).key("adapter.type", text).string(adapter);
    return out;
  };
  refused("", "magic: expected 4 bytes");
  refused(Bytes().header(0, 0).str(), "expected the key general.type");
  refused(keys("llama", "model", "lora").key("adapter.lora.alpha", f32).put(1.0F).str(),
          "general.type: expected adapter, got \"model\"");
  refused(keys("llama", "adapter", "ia3").key("adapter.lora.alpha", f32).put(1.0F).str(),
          "adapter.type: expected lora, got \"ia3\"");
  refused(keys("llama", "adapter", "lora").key("alpha", f32).put(1.0F).str(),
          "expected the key adapter.lora.alpha");
  refused(keys("llama", "adapter", "lora").key("adapter.lora.alpha", f64).put(1.0).str(),
          "key adapter.lora.alpha: expected type 6, got type 12");
  refused(keys("llama", "adapter", "lora")
              .key("adapter.lora.alpha", f32)
              .put(std::numeric_limits<float>::infinity())
              .str(),
          "adapter.lora.alpha: expected a finite number");
  const std::string q = "blk.0.attn_q.weight";
  Bytes blocks = keys("llama", "adapter", "lora").key("adapter.lora.alpha", f32).put(1.0F);
  blocks.tensor(q + ".lora_a", {32, 1}, 8, 0);
  std::string one_tensor = blocks.pad().raw(std::string(64, '\0')).str();
  one_tensor[8] = 1;  // the count of the header
  refused(one_tensor, "expected F32, F16, F64 or BF16, got Q8_0");
  CHECK_NOTHROW(GgufAdapter(
      folder.write("a.gguf", with_tensors(q + ".lora_a", {2, 1}, q + ".lora_b", {1, 3}).str())));
  refused(with_tensors(q + ".lora_a", {2, 1}, "x.lora_b", {1, 3}).str(),
          "expected a .lora_b, got none");
  refused(with_tensors(q + ".lora_b", {1, 3}, q + ".lora_c", {2, 1}).str(),
          "in .lora_a or .lora_b");
  refused(with_tensors(q + ".lora_b", {1, 3}, ".lora_a", {2, 1}).str(), "in .lora_a or .lora_b");
  refused(with_tensors("x", {1, 3}, ".lora_a", {2, 1}).str(), "in .lora_a or .lora_b");
  refused(with_tensors(q + ".lora_a", {2, 1}, q + ".lora_b", {2, 3}).str(),
          "expected one rank, got 1");
  refused(with_tensors(q + ".lora_a", {2}, q + ".lora_b", {1, 3}).str(), "expected two matrices");
  refused(with_tensors(q + ".lora_a", {0, 1}, q + ".lora_b", {1, 3}).str().substr(0, 10), "");
  refused(
      with_tensors("token_embd.weight.lora_a", {2, 1}, "token_embd.weight.lora_b", {1, 3}).str(),
      "expected no embedding");
  const std::string whole = adapter_by_hand().str();
  for (std::size_t size = 0; size < whole.size(); ++size) refused(whole.substr(0, size), "");
}

TEST_CASE("a file of another base model is refused", "[gguf_adapter]") {
  const ScratchFolder folder;
  const GgufAdapter adapter(folder.write("a.gguf", adapter_by_hand().str()));
  CHECK_THROWS_WITH(adapter.modules(llama_like("qwen2")),
                    contains_text("general.architecture: expected qwen2"));
  BaseModel other = llama_like("llama");
  other.head_dim = 4;
  CHECK_THROWS_WITH(adapter.modules(other),
                    contains_text("expected (4, 8), as the base model has, got (6, 8)"));
  std::string bytes = adapter_by_hand().str();
  for (auto at = bytes.find("blk.0"); at != std::string::npos; at = bytes.find("blk.0"))
    bytes[at + 4] = '1';
  const GgufAdapter beyond(folder.write("b.gguf", bytes));
  CHECK_THROWS_WITH(beyond.modules(llama_like("llama")),
                    contains_text("expected one that the base model has"));
}

TEST_CASE("an alpha of 0 is a scaling of 1, as in llama.cpp", "[gguf_adapter]") {
  std::string bytes = adapter_by_hand().str();
  const float three = 3, zero = 0;
  const auto at = bytes.find(std::string(reinterpret_cast<const char*>(&three), 4));
  bytes.replace(at, 4, reinterpret_cast<const char*>(&zero), 4);
  const ScratchFolder folder;
  CHECK(GgufAdapter(folder.write("a.gguf", bytes)).modules()[0].scaling() == 1);
}

TEST_CASE("numbers that are not finite are refused as a GGUF is read", "[gguf_adapter]") {
  std::string bytes = adapter_by_hand().str();
  const float ten = 10, nan = std::numeric_limits<float>::quiet_NaN();
  const auto at = bytes.rfind(std::string(reinterpret_cast<const char*>(&ten), 4));
  bytes.replace(at, 4, reinterpret_cast<const char*>(&nan), 4);
  const ScratchFolder folder;
  const GgufAdapter adapter(folder.write("a.gguf", bytes));
  CHECK_NOTHROW(adapter.modules()[0].lora_A());
  CHECK_THROWS_WITH(adapter.modules()[0].lora_B(),
                    contains_text("lora_b\": expected finite numbers"));
}

}  // namespace
