// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/linalg/eigen_lanes.hpp>

LORAPRO_NAMESPACE_BEGIN

/// Largest size whose matrices share packets: beyond it eight of them leave the caches next to the
/// core, and one alone fills the packets with its rows. The choice is by the size alone, so that
/// what a matrix gives does not depend on its company.
inline constexpr Index kBatchedEigenSize = 32;

/// Matrices that fill a packet.
inline constexpr Index kEigenLanes = detail::Packets<Wide>::kSize;

/// Heap that batched_eigen needs for up to `count` matrices at a time, in Wide elements.
inline Index batched_eigen_scratch(Index size, Index count) {
  if (size > kBatchedEigenSize) return size * size + symmetric_eigen_scratch(size);
  const Index lanes = std::min<Index>(kEigenLanes, count <= 2 ? 2 : count <= 4 ? 4 : kEigenLanes);
  return lanes * (2 * size * size + 4 * size);
}

/// Eigendecompositions S = V diag(values) V^T of symmetric matrices of one size, in any order of
/// the eigenvalues, as symmetric_eigen. The bits of each are the same alone and in any company.
/// \param[in,out] problems  `count` pointers; each state becomes settled or failed.
/// \param scratch           batched_eigen_scratch(size, count) elements.
/// \cost about 9 size^3 flops a matrix, in cache, kEigenLanes matrices at a time; no heap.
inline void batched_eigen(EigenProblem* const* problems, Index count, Index size, Wide* scratch) {
  if (size > kBatchedEigenSize) {
    for (Index k = 0; k < count; ++k) {
      EigenProblem& problem = *problems[k];
      std::copy_n(problem.matrix, size * size, scratch);
      const bool settled =
          symmetric_eigen(scratch, size, problem.values, problem.vectors, scratch + size * size);
      problem.state = settled ? EigenProblem::State::settled : EigenProblem::State::failed;
    }
    return;
  }
  LORAPRO_PACKET_ARGUMENTS_BEGIN
  using Full = detail::Packets<Wide>::Packet;
  using Half = Eigen::internal::unpacket_traits<Full>::half;
  using Quarter = Eigen::internal::unpacket_traits<Half>::half;
  for (Index done = 0; done < count;) {
    const Index rest = count - done;
    const auto run = [&](auto packet) {
      using Lanes = detail::EigenLanes<decltype(packet)>;
      const Index part = (std::min)(rest, Lanes::kLanes);
      Lanes(size, scratch).run(problems + done, part);
      done += part;
    };
    // The narrowest packet that holds the rest: what is padded costs as much as what is there.
    if (rest > detail::EigenLanes<Half>::kLanes) {
      run(Full{});
    } else if (rest > detail::EigenLanes<Quarter>::kLanes) {
      run(Half{});
    } else {
      run(Quarter{});
    }
  }
  LORAPRO_PACKET_ARGUMENTS_END
}

LORAPRO_NAMESPACE_END
