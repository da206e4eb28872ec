// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include <lorapro/io/checkpoint.hpp>
#include <lorapro/lorapro.hpp>

#include <sys/wait.h>  // waitpid
#include <unistd.h>    // close, fork, pipe, read, write, _exit

#include <array>    // std::array
#include <chrono>   // std::chrono::steady_clock
#include <csignal>  // kill, SIGKILL
#include <thread>   // std::this_thread::sleep_for

#ifdef __linux__
#include <sys/ptrace.h>  // ptrace
#endif

#include "support/rule_battery.hpp"
#include "support/scratch_folder.hpp"

namespace {

using namespace rule_battery;
using lorapro::io::CheckpointReader;
using lorapro::io::CheckpointWriter;

/// A training whose numbers all are the number of its checkpoint.
struct Training {
  PairBuffers<float> pair{300, 200, 8, 1.0, 1};
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer;
  CheckpointWriter checkpoint;

  Training() {
    optimizer.attach(pair.view(), {}, "pair");
    checkpoint.add("optimizer", optimizer);
  }

  void save(const std::filesystem::path& path, int number) {
    const auto value = static_cast<float>(number);
    pair.A.setConstant(value);
    pair.B.setConstant(value);
    optimizer.visit([&](const std::string&, auto&& entry) {
      if constexpr (std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
        entry = number;
      } else {
        const std::vector<float> values(static_cast<std::size_t>(entry.size()), value);
        entry.write(values.data());
      }
    });
    checkpoint.set("number", std::to_string(number));
    checkpoint.write(path);
  }

  /// The number of the checkpoint in the file, all of which has to be that one.
  static int load(const std::filesystem::path& path) {
    Training training;
    const CheckpointReader reader(path);
    reader.load("optimizer", training.optimizer);
    const int number = std::stoi(reader.value("number"));
    const auto value = static_cast<float>(number);
    CHECK(training.optimizer.step_count() == number);
    CHECK((training.pair.A.array() == value).all());
    CHECK((training.pair.B.array() == value).all());
    training.optimizer.visit([&](const std::string&, auto&& entry) {
      if constexpr (!std::is_same_v<std::decay_t<decltype(entry)>, std::int64_t>) {
        std::vector<float> values(static_cast<std::size_t>(entry.size()));
        entry.read(values.data());
        CHECK(std::count(values.begin(), values.end(), value) == entry.size());
      }
    });
    return number;
  }
};

/// Saves checkpoints from this number on until it is killed. A byte comes out of the pipe when the
/// first is there.
[[noreturn]] void keep_saving(const std::filesystem::path& path, int number, int pipe_in) {
  Training training;
  training.save(path, number);
  if (write(pipe_in, "", 1) != 1) _exit(2);
  for (;;) training.save(path, ++number);
}

TEST_CASE("a save that is killed at any time leaves a whole checkpoint", "[io][checkpoint]") {
  constexpr int kRounds = 60;
  const ScratchFolder folder;
  const auto path = folder.path() / "run.checkpoint";
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  Training().save(path, 1);
  const Clock::duration one_save = Clock::now() - start;
  int last = 1, in_the_middle = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) keep_saving(path, last + 1, ends[1]);
    close(ends[1]);
    char first_is_there = 0;
    CHECK(read(ends[0], &first_is_there, 1) == 1);
    close(ends[0]);
    std::this_thread::sleep_for(one_save * round / (kRounds / 2));  // two saves at most
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    in_the_middle += std::filesystem::exists(folder.path() / "run.checkpoint.part") ? 1 : 0;
    const int number = Training::load(path);
    CHECK(number > last);
    last = number;
  }
  CHECK(in_the_middle > 5);
  // What was left behind does not disturb.
  Training().save(path, 0);
  CHECK(Training::load(path) == 0);
}

#ifdef __linux__
/// Lets the child run up to its system call number `count`, entries and exits counted, and kills it
/// there. \return false if it ended before.
bool kill_at_call(pid_t child, int count) {
  int status = 0;
  waitpid(child, &status, 0);
  for (int i = 0; i < count && WIFSTOPPED(status); ++i) {
    ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    waitpid(child, &status, 0);
  }
  if (!WIFSTOPPED(status)) return false;
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return true;
}

TEST_CASE("a save that is killed at any of its system calls", "[io][checkpoint]") {
  const ScratchFolder folder;
  const auto path = folder.path() / "run.checkpoint";
  const auto start = [&] {
    const pid_t child = fork();
    if (child == 0) {
      Training training;
      if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(2);
      raise(SIGSTOP);
      training.save(path, 2);
      _exit(0);
    }
    return child;
  };
  int old = 0, replaced = 0;
  for (int count = 1;; ++count) {
    Training().save(path, 1);
    const pid_t child = start();
    REQUIRE(child > 0);
    if (!kill_at_call(child, count)) break;
    const int number = Training::load(path);
    CHECK((number == 1 || number == 2));
    // What has replaced the old checkpoint is no part of one any more.
    CHECK((number == 1 || !std::filesystem::exists(folder.path() / "run.checkpoint.part")));
    (number == 1 ? old : replaced) += 1;
    REQUIRE(count < 10000);
  }
  if (old == 0) WARN("not tested: this system does not let a process trace its child");
  if (old > 0) {
    CHECK(old > 10);
    CHECK(replaced > 1);  // the flush of the folder comes after
  }
}
#endif

}  // namespace
