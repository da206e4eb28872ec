// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// Adapters of initialisations that change W0, exported for the untouched one.
#include <lorapro/io/merge.hpp>
#include <lorapro/layer/lora_ga_init.hpp>
#include <lorapro/layer/olora_init.hpp>
#include <lorapro/layer/pissa_init.hpp>

#include "support/random.hpp"
#include "support/scratch_folder.hpp"
#include "support/tolerance.hpp"

namespace {

using lorapro::LoraLayer;
using lorapro::io::PeftAdapter;
using ExportMatrix = lorapro::RowMatrix<float>;

constexpr lorapro::Index kExportOut = 30, kExportIn = 40;

/// A run as a trainer has it: the adapter before training is written, and taken off at the end.
template <typename Init>
void check_merged_base_is_trained_weight(const ExportMatrix& W, const Init& init, bool rslora) {
  const ScratchFolder folder;
  lorapro::LoraConfig config;
  config.rank = 4;
  config.lora_alpha = 6;
  config.use_rslora = rslora;
  LoraLayer<float> layer(lorapro::BaseWeight<float>::own(W), config, nullptr, init);
  CHECK((layer.base_weight().matrix() - W).norm() > 0.01F * W.norm());
  const lorapro::io::AdapterModules modules{lorapro::io::adapter_module("a.q", layer)};
  lorapro::io::write_peft_adapter(folder.path() / "initial", {}, modules);
  layer.lora_A() *= 1.25F;
  layer.lora_B().row(3).setConstant(0.5F);

  const PeftAdapter initial(folder.path() / "initial");
  lorapro::io::write_peft_adapter(
      folder.path() / "adapter", {},
      {lorapro::io::difference_module(modules[0], initial.modules()[0])});
  lorapro::io::SafetensorsWriter writer;
  writer.add("a.q.weight", {kExportOut, kExportIn}, W.data());
  writer.write(folder.path() / "base.safetensors");
  const PeftAdapter adapter(folder.path() / "adapter");
  CHECK(adapter.modules()[0].rank == 8);
  CHECK(adapter.modules()[0].scaling() == Approx(layer.scaling()));
  lorapro::io::merge_adapter(folder.path() / "base.safetensors", adapter,
                             folder.path() / "merged.safetensors");
  const lorapro::io::SafetensorsReader merged(folder.path() / "merged.safetensors");
  ExportMatrix got(kExportOut, kExportIn);
  merged.read(merged.at("a.q.weight", {kExportOut, kExportIn}), got.data());
  layer.merge();
  const ExportMatrix trained = layer.base_weight().matrix();
  CHECK((trained - W).norm() > 0.1F * W.norm());
  CHECK(support::distance(got, reference::real(trained)) <=
        support::tolerance<float>(4, 1, 1, static_cast<double>(trained.norm())));
}

TEST_CASE("the untouched base with an exported adapter is the trained weight",
          "[initialisation_export]") {
  LORAPRO_TEST_RANDOM(random, 3201);
  const auto W = reference::rounded<float>(random.matrix(kExportOut, kExportIn));
  const auto G = reference::rounded<float>(random.matrix(kExportOut, kExportIn));
  for (const bool rslora : {false, true}) {
    CAPTURE(rslora);
    check_merged_base_is_trained_weight(W, lorapro::PissaInit{}, rslora);
    check_merged_base_is_trained_weight(W, lorapro::PissaInit{lorapro::RandomizedSvd{}}, rslora);
    check_merged_base_is_trained_weight(W, lorapro::OLoraInit{}, rslora);
    check_merged_base_is_trained_weight(W, lorapro::LoraGaInit<float>{lorapro::make_view(G)},
                                        rslora);
  }
}

}  // namespace
