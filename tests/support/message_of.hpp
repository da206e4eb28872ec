// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <string>

/// What f() says when it throws an Exception; other words if it throws nothing.
template <typename Exception, typename F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const Exception& error) {
    return error.what();
  }
  return "nothing of that type was thrown";
}
