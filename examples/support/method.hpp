// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace examples {

/// The ways to fine-tune that the examples compare. joint_lora_muon is the rule lora_muon, which
/// moves W by equal singular values; lora_muon is the rule muon on each factor by itself.
enum class Method {
  lora_adamw,
  lora_sgd,
  rslora_adamw,
  loraplus_adamw,
  lora_pro_sgd,
  lora_pro_adapter,
  lora_pro_full,
  lora_pro_factored,
  lora_pro_spectral,
  lora_muon,
  scaled_gd,
  scaled_adamw,
  lora_fa,
  altlora,
  altlora_plus,
  lora_rite,
  reflora,
  reflora_s,
  joint_lora_muon,
  imuon,
  adaprelora,
  loft,
  full_adamw,
  full_muon,
};

struct MethodInfo {
  Method method;
  std::string_view name;
  std::string_view rule;   // lorapro::visit_rule
  std::string_view title;  // in sentences
  bool trains_adapters;    // or else the whole matrices
  bool uses_adamw;         // for dense vectors and heads, or else plain gradient descent
  std::string_view color;  // in every picture the same one; readable by the colour-blind
};

inline constexpr std::array kMethods{
    MethodInfo{Method::lora_adamw, "lora_adamw", "adamw", "LoRA", true, true, "#0072B2"},
    MethodInfo{Method::lora_sgd, "lora_sgd", "sgd", "LoRA with SGD", true, false, "#56B4E9"},
    MethodInfo{Method::rslora_adamw, "rslora_adamw", "adamw", "rsLoRA", true, true, "#009E73"},
    MethodInfo{Method::loraplus_adamw, "loraplus_adamw", "adamw", "LoRA+", true, true, "#7FCDBB"},
    MethodInfo{Method::lora_pro_sgd, "lora_pro_sgd", "lora_pro_sgd", "LoRA-Pro without moments",
               true, false, "#CC79A7"},
    MethodInfo{Method::lora_pro_adapter, "lora_pro_adapter", "lora_pro_adapter",
               "LoRA-Pro with adapter moments", true, true, "#E69F00"},
    MethodInfo{Method::lora_pro_full, "lora_pro_full", "lora_pro_full",
               "LoRA-Pro with full moments", true, true, "#D55E00"},
    MethodInfo{Method::lora_pro_factored, "lora_pro_factored", "lora_pro_factored",
               "LoRA-Pro with factored moments", true, true, "#7A4900"},
    MethodInfo{Method::lora_pro_spectral, "lora_pro_spectral", "lora_pro_spectral", "LoRA-Pro",
               true, true, "#882255"},
    MethodInfo{Method::lora_muon, "lora_muon", "muon", "LoRA with Muon", true, true, "#B8A000"},
    MethodInfo{Method::scaled_gd, "scaled_gd", "scaled_gd", "LoRA with ScaledGD", true, false,
               "#332288"},
    MethodInfo{Method::scaled_adamw, "scaled_adamw", "scaled_adamw", "LoRA with ScaledAdamW", true,
               true, "#88CCEE"},
    MethodInfo{Method::lora_fa, "lora_fa", "lora_fa", "LoRA-FA", true, true, "#44AA99"},
    MethodInfo{Method::altlora, "altlora", "altlora", "AltLoRA", true, true, "#117733"},
    MethodInfo{Method::altlora_plus, "altlora_plus", "altlora_plus", "AltLoRA+", true, true,
               "#999933"},
    MethodInfo{Method::lora_rite, "lora_rite", "lora_rite", "LoRA-RITE", true, true, "#DDCC77"},
    MethodInfo{Method::reflora, "reflora", "reflora", "RefLoRA", true, true, "#CC6677"},
    MethodInfo{Method::reflora_s, "reflora_s", "reflora_s", "RefLoRA-S", true, true, "#AA4499"},
    MethodInfo{Method::joint_lora_muon, "joint_lora_muon", "lora_muon", "LoRA-Muon", true, true,
               "#6699CC"},
    MethodInfo{Method::imuon, "imuon", "imuon", "iMuon", true, true, "#004488"},
    MethodInfo{Method::adaprelora, "adaprelora", "adaprelora", "AdaPreLoRA", true, true, "#997700"},
    MethodInfo{Method::loft, "loft", "loft", "LoFT", true, true, "#994455"},
    MethodInfo{Method::full_adamw, "full_adamw", "adamw", "full fine-tuning", false, true,
               "#000000"},
    MethodInfo{Method::full_muon, "full_muon", "muon", "full fine-tuning with Muon", false, true,
               "#777777"},
};

inline const MethodInfo& info(Method method) {
  for (const auto& candidate : kMethods) {
    if (candidate.method == method) return candidate;
  }
  throw std::logic_error("a method is missing in kMethods");
}

inline std::optional<Method> method_named(std::string_view name) {
  for (const auto& candidate : kMethods) {
    if (candidate.name == name) return candidate.method;
  }
  return std::nullopt;
}

/// "lora_adamw, lora_sgd, ...", for messages.
inline std::string method_names() {
  std::string names;
  for (const auto& candidate : kMethods) {
    names += (names.empty() ? "" : ", ") + std::string(candidate.name);
  }
  return names;
}

/// Whether the gradients of A and B are adjusted.
inline bool is_lora_pro(Method method) { return info(method).name.substr(0, 9) == "lora_pro_"; }

}  // namespace examples
