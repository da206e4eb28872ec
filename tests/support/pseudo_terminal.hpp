// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <fcntl.h>
#include <stdlib.h>  // posix_openpt, grantpt, unlockpt, ptsname
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <string>

/// A terminal whose screen is a string.
class PseudoTerminal {
 public:
  PseudoTerminal() : screen_(posix_openpt(O_RDWR | O_NOCTTY)) {
    if (screen_ < 0 || grantpt(screen_) != 0 || unlockpt(screen_) != 0) return;
    stream_ = std::fopen(ptsname(screen_), "w");
    termios options = {};
    tcgetattr(screen_, &options);
    options.c_oflag &= ~static_cast<tcflag_t>(OPOST);  // no \r before \n
    tcsetattr(screen_, TCSANOW, &options);
    fcntl(screen_, F_SETFL, O_NONBLOCK);
  }
  ~PseudoTerminal() {
    if (stream_ != nullptr) std::fclose(stream_);
    if (screen_ >= 0) close(screen_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  /// Null if the system has no terminals to give.
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
