// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

/// \file
/// For programs of several files, which would compile every rule in each that steps an optimizer:
/// define LORAPRO_TORCH_EXTERN_ENGINES for all of them, and include this in one and
/// engines_float.hpp in the same or another.

#include <lorapro/adapters/torch/mapped_engine.hpp>

LORAPRO_NAMESPACE_BEGIN
namespace torch_adapter {
namespace detail {

template std::unique_ptr<Engine> make_mapped_engine<double>(std::string_view);

}  // namespace detail
}  // namespace torch_adapter
LORAPRO_NAMESPACE_END
