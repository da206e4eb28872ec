// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/checkpoint_training.hpp"

namespace {

TEST_CASE("a float training goes on in another process, bit for bit", "[io][checkpoint]") {
  checkpoint_training::check_resume<float>("[resume_worker_float]");
}

TEST_CASE("the other process, float", "[.][resume_worker_float]") {
  const char* const folder = std::getenv(checkpoint_training::kFolderVariable);
  REQUIRE(folder != nullptr);
  checkpoint_training::resume_all<float>(folder);
}

}  // namespace
