/* SPDX-FileCopyrightText: 2026 the lorapro authors
 * SPDX-License-Identifier: MIT
 *
 * The trainer of ../c_style_trainer.cpp in C, with lorapro behind a C interface. */
#include "../c_style/fashion.h"
#include "lorapro_c.h"

static int fail(lorapro_optimizer* optimizer) {
  fprintf(stderr, "c_trainer: %s\n", lorapro_last_error());
  lorapro_destroy(optimizer);
  return 1;
}

int main(int argc, char** argv) {
  FashionOptions options;
  FashionTask task;
  const int exit_code = fashion_parse(&options, argc, argv);
  if (exit_code >= 0) return exit_code;
  if (!fashion_prepare(&task, options.folder, options.size)) return 77;
  Mlp* mlp = &task.mlp;
  const MlpTrained p = mlp->at, g = mlp->grads_at;

  lorapro_options chosen = lorapro_default_options();
  chosen.lr = 1e-3;
  lorapro_optimizer* optimizer = lorapro_create(&chosen);
  if (optimizer == NULL ||
      !lorapro_attach_pair(optimizer, p.lora_A0, p.lora_B0, g.lora_A0, g.lora_B0, MLP_HIDDEN,
                           MLP_INPUTS, MLP_RANK, MLP_SCALING) ||
      !lorapro_attach_pair(optimizer, p.lora_A1, p.lora_B1, g.lora_A1, g.lora_B1, MLP_HIDDEN,
                           MLP_HIDDEN, MLP_RANK, MLP_SCALING) ||
      !lorapro_attach_dense(optimizer, p.head, g.head, MLP_HEAD_SIZE)) {
    return fail(optimizer);
  }
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    float loss = 0;
    for (int first = 0; first + MLP_BATCH <= task.training.count; first += MLP_BATCH) {
      lorapro_report report;
      memset(mlp->grads, 0, MLP_TRAINED_SIZE * sizeof(float));
      loss += mlp_loss_and_gradients(mlp, task.training.pixels + first * MLP_INPUTS,
                                     task.training.labels + first, MLP_BATCH);
      if (!lorapro_step(optimizer, &report)) return fail(optimizer);
      if (report.skipped > 0) fprintf(stderr, "step %d: skipped\n", (int)report.step);
    }
    printf("epoch %d: loss %.4f\n", epoch + 1, loss * MLP_BATCH / (float)task.training.count);
  }
  lorapro_destroy(optimizer);
  fashion_finish(&task, "LoRA-Pro from C");
  return 0;
}
