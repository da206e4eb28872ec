// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

// The C API alone: MPI 3 has no C++ bindings any more.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif

#include <lorapro/core/buffer.hpp>
#include <lorapro/core/error.hpp>

#include <cstdio>     // std::fprintf
#include <exception>  // std::uncaught_exceptions
#include <limits>     // std::numeric_limits
#include <mpi.h>      // MPI_Comm
#include <string>     // std::string

namespace lorapro {

/// A call of MPI failed (only where its errors are not fatal), or was asked for more than it can
/// do.
class MpiError : public Error {
 public:
  using Error::Error;
};

/// Another rank threw: this one throws as well, so that none waits for it. Names the rank.
class PeerError : public Error {
 public:
  using Error::Error;
};

/// The ranks do not have the same bits, or were not set up alike. Names a rank and a parameter.
class ReplicaError : public Error {
 public:
  using Error::Error;
};

}  // namespace lorapro

LORAPRO_NAMESPACE_BEGIN
namespace mpi {

/// \throws MpiError unless `code`, what MPI's `function` returned, is MPI_SUCCESS.
inline void check_call(int code, const char* function) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw MpiError(std::string(function) + ": " + text);
}

template <typename Scalar>
MPI_Datatype datatype() {
  static_assert(is_compute_scalar_v<Scalar>, "Scalar must be float or double");
  return std::is_same_v<Scalar, float> ? MPI_FLOAT : MPI_DOUBLE;
}

/// A count as MPI takes it. \throws MpiError (beyond an int).
inline int count_of(const char* name, Index count) {
  if (count > (std::numeric_limits<int>::max)())
    throw MpiError(std::string(name) + ": expected at most 2^31 - 1 elements in one call, got " +
                   std::to_string(count));
  return static_cast<int>(count);
}

/// A duplicate of a communicator, whose collective calls cannot meet the caller's own.
class Communicator {
 public:
  /// Collective. \throws StateError (MPI is not initialised), MpiError.
  explicit Communicator(MPI_Comm communicator) : unwinding_(std::uncaught_exceptions()) {
    int initialised = 0;
    MPI_Initialized(&initialised);
    if (initialised == 0) throw StateError("communicator: expected MPI_Init before it");
    check_call(MPI_Comm_dup(communicator, &handle_), "MPI_Comm_dup");
    MPI_Comm_rank(handle_, &rank_);
    MPI_Comm_size(handle_, &size_);
  }
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  ~Communicator() {
    // The other ranks do not join in where this one leaves by an exception.
    if (usable()) MPI_Comm_free(&handle_);
  }

  MPI_Comm handle() const { return handle_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Whether collective calls can be made still: not after MPI_Finalize, nor while an exception
  /// ends what this object was made in.
  bool usable() const {
    int finalised = 0;
    MPI_Finalized(&finalised);
    return finalised == 0 && std::uncaught_exceptions() == unwinding_;
  }

 private:
  int unwinding_;
  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
};

/// Calls body() on every rank. Collective: where it throws on some, it ends with an exception on
/// all, the rank's own where it had one, else a PeerError with the words of the lowest such rank.
/// The body itself makes no collective calls.
template <typename Body>
void together(const Communicator& communicator, const Body& body) {
  std::exception_ptr own;
  std::string message;
  try {
    body();
  } catch (const std::exception& error) {
    own = std::current_exception();
    message = error.what();
  }
  int first = own != nullptr ? communicator.rank() : communicator.size();
  check_call(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, communicator.handle()),
             "MPI_Allreduce");
  if (first == communicator.size()) return;
  int length = static_cast<int>(message.size());
  check_call(MPI_Bcast(&length, 1, MPI_INT, first, communicator.handle()), "MPI_Bcast");
  message.resize(static_cast<std::size_t>(length));
  check_call(MPI_Bcast(message.data(), length, MPI_CHAR, first, communicator.handle()),
             "MPI_Bcast");
  if (own != nullptr) std::rethrow_exception(own);
  throw PeerError("rank " + std::to_string(first) + ": " + message);
}

/// Calls body(). If it throws on this rank, the whole program ends: the others would wait for it in
/// their next collective call. Says why, in one line on stderr, and calls MPI_Abort with `code`.
///
/// \code
/// int main(int argc, char** argv) {
///   MPI_Init(&argc, &argv);
///   lorapro::mpi::abort_on_exception(MPI_COMM_WORLD, [&] { train(); });
///   MPI_Finalize();
/// }
/// \endcode
template <typename Body>
void abort_on_exception(MPI_Comm communicator, const Body& body, int code = 1) {
  const auto abort = [&](const char* message) {
    int rank = 0;
    MPI_Comm_rank(communicator, &rank);
    std::fprintf(stderr, "rank %d: %s\n", rank, message);
    std::fflush(stderr);
    MPI_Abort(communicator, code);
  };
  try {
    body();
  } catch (const std::exception& error) {
    abort(error.what());
  } catch (...) {
    abort("an exception of an unknown type");
  }
}

}  // namespace mpi
LORAPRO_NAMESPACE_END
