// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <fcntl.h>
#include <stdlib.h>  // posix_openpt, grantpt, unlockpt, ptsname
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "support/catch.hpp"

/// A terminal whose screen is a string. A test that makes one has the tag [may_skip].
class PseudoTerminal {
 public:
  PseudoTerminal() : screen_(posix_openpt(O_RDWR | O_NOCTTY)) {
    if (screen_ >= 0 && grantpt(screen_) == 0 && unlockpt(screen_) == 0) {
      const char* const name = ptsname(screen_);
      if (name != nullptr) stream_ = std::fopen(name, "w");
    }
    if (stream_ == nullptr) {
      if (screen_ >= 0) close(screen_);
      skip_test("this system has no pseudo-terminal to give");
    }
    termios options = {};
    tcgetattr(screen_, &options);
    options.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // no \r before \n
    tcsetattr(screen_, TCSANOW, &options);
    fcntl(screen_, F_SETFL, O_NONBLOCK);
  }
  ~PseudoTerminal() {
    std::fclose(stream_);
    close(screen_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  std::FILE* stream() const { return stream_; }

  /// What has been written since the last call.
  std::string read_screen() const {
    std::string out;
    char bytes[256];
    for (ssize_t count; (count = read(screen_, bytes, sizeof bytes)) > 0;)
      out.append(bytes, static_cast<std::size_t>(count));
    return out;
  }

 private:
  int screen_;
  std::FILE* stream_ = nullptr;
};
