// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/checkpoint_training.hpp"

namespace {

TEST_CASE("a double training goes on in another process, bit for bit", "[io][checkpoint]") {
  checkpoint_training::check_resume<double>("[resume_worker_double]");
}

TEST_CASE("the other process, double", "[.][resume_worker_double]") {
  const char* const folder = std::getenv(checkpoint_training::kFolderVariable);
  REQUIRE(folder != nullptr);
  checkpoint_training::resume_all<double>(folder);
}

}  // namespace
