// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/storage.hpp>
#include <lorapro/io/little_endian.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Elements of a file, little-endian and at any address, in a scalar that can be computed in.
/// \param bytes     count storage_bytes(type) bytes.
/// \param[out] out  count elements.
/// \return whether all elements are finite, as the file has them and in `out`.
template <typename Scalar>
[[nodiscard]] bool read_elements(StorageType type, const std::uint8_t* bytes, Index count,
                                 Scalar* out) {
  return visit_storage_type(type, [&](auto zero) {
    using T = decltype(zero);
    bool finite = true;
    for (Index k = 0; k < count; ++k) {
      const T element = load_little_endian<T>(bytes + static_cast<std::size_t>(k) * sizeof(T));
      out[k] = static_cast<Scalar>(element);
      finite = finite && is_finite(static_cast<double>(out[k]));
    }
    return finite;
  });
}

/// The opposite of read_elements; rounds to nearest.
/// \return whether all elements are finite, also in the file: a half has no numbers above 65504.
template <typename Scalar>
[[nodiscard]] bool write_elements(StorageType type, const Scalar* elements, Index count,
                                  std::uint8_t* bytes) {
  return visit_storage_type(type, [&](auto zero) {
    using T = decltype(zero);
    bool finite = true;
    for (Index k = 0; k < count; ++k) {
      const auto element = static_cast<T>(elements[k]);
      finite = finite && is_finite(static_cast<double>(element));
      store_little_endian(element, bytes + static_cast<std::size_t>(k) * sizeof(T));
    }
    return finite;
  });
}

LORAPRO_NAMESPACE_END
