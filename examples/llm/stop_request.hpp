// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <csignal>

namespace examples::llm {

/// While it lives, the first SIGINT or SIGTERM is a request that somebody has to ask for; the next
/// one ends the program as ever. One at a time.
class StopRequest {
 public:
  StopRequest() {
    requested_ = 0;
    interrupt_ = std::signal(SIGINT, note);
    terminate_ = std::signal(SIGTERM, note);
  }
  ~StopRequest() {
    std::signal(SIGINT, interrupt_);
    std::signal(SIGTERM, terminate_);
  }
  StopRequest(const StopRequest&) = delete;
  StopRequest& operator=(const StopRequest&) = delete;

  bool requested() const { return requested_ != 0; }

 private:
  using Handler = void (*)(int);

  static void note(int signal) {
    requested_ = 1;
    std::signal(signal, SIG_DFL);
  }

  static inline volatile std::sig_atomic_t requested_ = 0;
  Handler interrupt_ = SIG_DFL;
  Handler terminate_ = SIG_DFL;
};

}  // namespace examples::llm
