// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// Gradient-adjusted low-rank optimizers on Eigen. Start with lorapro::LoraLayer and
/// lorapro::LoraProOptimizer; lorapro::adjust_gradient is the closed form on its own.

#include <lorapro/adjust/adjust_gradient.hpp>
#include <lorapro/adjust/equivalent_gradient.hpp>
#include <lorapro/layer/dora_layer.hpp>
#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/lora_embedding.hpp>
#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/optim/adamw_rule.hpp>
#include <lorapro/optim/any_optimizer.hpp>
#include <lorapro/optim/lora_pro_adapter_rule.hpp>
#include <lorapro/optim/lora_pro_factored_rule.hpp>
#include <lorapro/optim/lora_pro_full_rule.hpp>
#include <lorapro/optim/lora_pro_sgd_rule.hpp>
#include <lorapro/optim/lora_pro_spectral_rule.hpp>
#include <lorapro/optim/muon_rule.hpp>
#include <lorapro/optim/optimizer.hpp>
#include <lorapro/optim/sgd_rule.hpp>
#include <lorapro/version.hpp>
