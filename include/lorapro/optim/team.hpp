// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/parallel.hpp>
#include <lorapro/core/side.hpp>
#include <lorapro/linalg/arena.hpp>

#include <algorithm>  // std::min

LORAPRO_NAMESPACE_BEGIN

/// Scratch that a rule asks for, and how long it takes.
struct RuleWorkspace {
  Index scalars = 0;  ///< elements of Scalar, for each thread
  Index wide = 0;     ///< elements of Wide, for each thread
  Index shared = 0;   ///< elements of Scalar that all threads of one parameter share in an update
  /// Of an update on one thread, in nanoseconds, roughly: from about a million on the parameter may
  /// get all threads.
  Index cost_ns = 0;
};

/// Memory of one thread. It goes by value: what a function takes from its copy is free again when
/// it returns.
template <typename Scalar>
struct Scratch {
  WorkspaceOf<Scalar> scalars;
  Workspace wide;
};

/// The threads, each with its scratch, that work on one parameter: all of them on a large one, one
/// on a small one while the others work on other parameters. How work is cut into pieces depends on
/// its size alone and pieces are combined in order, so results do not depend on the team.
template <typename Scalar>
class Team {
 public:
  /// Pieces that a large parameter is cut into.
  static constexpr Index kMaxPieces = 64;

  /// \param scratches  one for each thread.
  /// \param shared     RuleWorkspace::shared elements, whatever they hold.
  Team(const Scratch<Scalar>* scratches, int threads, WorkspaceOf<Scalar> shared = {})
      : scratches_(scratches), threads_(threads), shared_(shared) {}

  /// Scratch of the calling thread, outside parallel.
  Scratch<Scalar> own() const { return scratches_[0]; }
  /// What all threads share.
  WorkspaceOf<Scalar> shared() const { return shared_; }

  /// Calls body(index, scratch) for index = 0 .. count - 1; lower indices are begun first.
  template <typename Body>
  void parallel(Index count, const Body& body) const {
    parallel_for(threads_, count,
                 [&](Index index, int thread) { body(index, scratches_[thread]); });
  }

  /// Calls body(side, scratch) for both sides of a pair.
  template <typename Body>
  void both_sides(const Body& body) const {
    parallel(2, [&](Index index, const Scratch<Scalar>& scratch) { body(kSides[index], scratch); });
  }

  /// Calls body(piece, first, last, scratch) for at most kMaxPieces consecutive ranges of [0,
  /// count).
  template <typename Body>
  void parallel_ranges(Index count, const Body& body) const {
    const Index length = (count + kMaxPieces - 1) / kMaxPieces;
    parallel((count + length - 1) / length, [&](Index piece, const Scratch<Scalar>& scratch) {
      body(piece, piece * length, (std::min)(count, (piece + 1) * length), scratch);
    });
  }

 private:
  const Scratch<Scalar>* scratches_;
  int threads_;
  WorkspaceOf<Scalar> shared_;
};

LORAPRO_NAMESPACE_END
