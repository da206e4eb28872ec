// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// A PEFT adapter directory written down by hand from the format's description: nothing here calls
// the library.

#include <cstring>
#include <string>
#include <vector>

#include "support/safetensors_bytes.hpp"
#include "support/scratch_folder.hpp"

namespace peft_folder {

/// adapter_config.json as PEFT 0.20 writes it, and a field of a later one.
inline const std::string kConfig = R"({
  "alora_invocation_tokens": null,
  "alpha_pattern": {
    "v_proj": 6
  },
  "arrow_config": null,
  "auto_mapping": null,
  "base_model_name_or_path": "some/base",
  "bias": "none",
  "corda_config": null,
  "ensure_weight_tying": false,
  "eva_config": null,
  "exclude_modules": null,
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": true,
  "later_field": {
    "x": [
      1,
      2.5,
      "caf\u00e9"
    ]
  },
  "layer_replication": null,
  "layers_pattern": null,
  "layers_to_transform": null,
  "loftq_config": {},
  "lora_alpha": 4,
  "lora_bias": false,
  "lora_dropout": 0.05,
  "megatron_config": null,
  "megatron_core": "megatron.core",
  "modules_to_save": null,
  "peft_type": "LORA",
  "peft_version": "0.20.0",
  "qalora_group_size": 16,
  "r": 2,
  "rank_pattern": {
    "layers.0.self_attn.v_proj": 1
  },
  "revision": null,
  "target_modules": [
    "q_proj",
    "v_proj"
  ],
  "target_parameters": null,
  "task_type": "CAUSAL_LM",
  "trainable_token_indices": null,
  "use_dora": false,
  "use_qalora": false,
  "use_rslora": false
})";

/// kConfig with one piece of text in place of another, which has to be in it.
inline std::string config_with(const std::string& from, const std::string& to) {
  std::string out = kConfig;
  const auto position = out.find(from);
  if (position == std::string::npos) throw from;
  return out.replace(position, from.size(), to);
}

inline const std::string kAttention = "base_model.model.model.layers.0.self_attn.";

/// Entry of a header: F32 at bytes [begin, begin + 4 rows cols).
inline std::string entry(const std::string& name, int rows, int cols, int begin) {
  return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[" + std::to_string(rows) + "," +
         std::to_string(cols) + "],\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(begin + 4 * rows * cols) + "]}";
}

inline std::string floats(const std::vector<float>& values) {
  std::string out(values.size() * 4, '\0');
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

/// Header and numbers of a file, padded as writers do.
inline std::string file(std::string header, const std::string& data) {
  header = "{" + header + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return safetensors_bytes(header, data);
}

inline const std::string kMetadata = R"("__metadata__":{"format":"pt"})";

/// q_proj: (3, 4), rank 2, alpha 4; v_proj: (2, 4), rank 1, alpha 6.
///   A_q = [1 2 3 4; 5 6 7 8]   B_q = [1 0; 0 1; -1 2]   s = 2
///   A_v = [1 0 -1 0.5]         B_v = [2; -3]            s = 6
inline std::string weights() {
  return file(kMetadata + "," + entry(kAttention + "q_proj.lora_A.weight", 2, 4, 0) + "," +
                  entry(kAttention + "q_proj.lora_B.weight", 3, 2, 32) + "," +
                  entry(kAttention + "v_proj.lora_A.weight", 1, 4, 56) + "," +
                  entry(kAttention + "v_proj.lora_B.weight", 2, 1, 72),
              floats({1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 0, 1, -1, 2, 1, 0, -1, 0.5F, 2, -3}));
}

/// Writes both files into a folder of its own.
inline std::filesystem::path write(const ScratchFolder& folder, const std::string& config = kConfig,
                                   const std::string& bytes = weights()) {
  folder.write("adapter_config.json", config);
  folder.write("adapter_model.safetensors", bytes);
  return folder.path();
}

}  // namespace peft_folder
