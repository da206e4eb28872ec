// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// A trainer in the style of hand-written engines: one flat buffer of parameters, one of gradients,
// plain loops, LoRA with AdamW. embed_in_c_style_trainer.cpp is the same after it has adopted the
// library.

#include "c_style/fashion.h"

int main(int argc, char** argv) {
  FashionOptions options;
  FashionTask task;
  const int exit_code = fashion_parse(&options, argc, argv);
  if (exit_code >= 0) return exit_code;
  if (!fashion_prepare(&task, options.folder, options.size)) return 77;
  Mlp* mlp = &task.mlp;

  AdamW optimizer = adamw_create(MLP_TRAINED_SIZE);
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    float loss = 0;
    for (int first = 0; first + MLP_BATCH <= task.training.count; first += MLP_BATCH) {
      memset(mlp->grads, 0, MLP_TRAINED_SIZE * sizeof(float));
      loss += mlp_loss_and_gradients(mlp, task.training.pixels + first * MLP_INPUTS,
                                     task.training.labels + first, MLP_BATCH);
      adamw_step(&optimizer, mlp->params, mlp->grads, 3e-3f);
    }
    printf("epoch %d: loss %.4f\n", epoch + 1, loss * MLP_BATCH / (float)task.training.count);
  }
  adamw_destroy(&optimizer);
  fashion_finish(&task, "LoRA");
  return 0;
}
