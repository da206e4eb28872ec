// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Fine-tunes a pretrained language model of Llama's kind on a CPU: LoRA or LoRA-Pro over frozen
// weights in 4, 8, 16 or 32 bits, and an adapter that llama.cpp loads. docs/llm.md tells how.
//
//   llm_finetune --smoke
//   llm_finetune --model FOLDER --data train.jsonl --output OUT
//   llm_finetune --model FOLDER --adapter OUT --test held_out.txt
//   llm_finetune --model FOLDER --adapter OUT --sample "Once upon a time"
//   mpirun -n 2 llm_finetune ...

#include <CLI/CLI.hpp>

#include "llm/finetune.hpp"
#include "support/program.hpp"
#include "support/run_options.hpp"

#ifdef LORAPRO_EXAMPLES_MPI
#include "llm/mpi_peers.hpp"
#endif

namespace {

namespace llm = examples::llm;

/// Of a program that SIGINT has ended.
constexpr int kExitInterrupted = 130;

int run(const llm::FinetuneOptions& options, const llm::Peers& peers) {
  auto end = llm::FinetuneEnd::finished;
  const int code =
      examples::run_program("llm_finetune", "", [&] { end = llm::finetune(options, peers); });
  return end == llm::FinetuneEnd::interrupted ? kExitInterrupted : code;
}

}  // namespace

int main(int argc, char** argv) {
  llm::FinetuneOptions options;
  CLI::App app("Fine-tunes a language model on a CPU, and measures and samples it.",
               "llm_finetune");
  llm::add_finetune_options(app, options);
  if (const auto exit_code = examples::parse_command_line(app, argc, argv)) return *exit_code;
  if (options.smoke) llm::choose_smoke_options(app, options);
#ifdef LORAPRO_EXAMPLES_MPI
  if (llm::started_by_mpi()) {
    MPI_Init(&argc, &argv);
    int code = 0;
    {
      const llm::MpiPeers peers(MPI_COMM_WORLD);
      code = run(options, peers);
      // The others may wait for this one.
      if (code != 0 && code != kExitInterrupted) MPI_Abort(MPI_COMM_WORLD, code);
    }
    MPI_Finalize();
    return code;
  }
#endif
  return run(options, llm::Peers());
}
