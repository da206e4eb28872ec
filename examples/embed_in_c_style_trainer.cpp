// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// The trainer of c_style_trainer.cpp after it has adopted the library: views on its own flat
// buffers, nothing copied. The README shows what changed.

#include <lorapro/lorapro.hpp>

#include "c_style/fashion.h"

int main(int argc, char** argv) {
  FashionOptions options;
  FashionTask task;
  const int exit_code = fashion_parse(&options, argc, argv);
  if (exit_code >= 0) return exit_code;
  if (!fashion_prepare(&task, options.folder, options.size)) return 77;
  Mlp* mlp = &task.mlp;

  lorapro::OptimizerConfig config;
  config.group.lr = 1e-3;
  lorapro::LoraProOptimizer<float> optimizer(config);
  const MlpTrained &p = mlp->at, &g = mlp->grads_at;
  optimizer.attach(lorapro::row_major_view(p.lora_A0, p.lora_B0, g.lora_A0, g.lora_B0, MLP_HIDDEN,
                                           MLP_INPUTS, MLP_RANK, MLP_SCALING));
  optimizer.attach(lorapro::row_major_view(p.lora_A1, p.lora_B1, g.lora_A1, g.lora_B1, MLP_HIDDEN,
                                           MLP_HIDDEN, MLP_RANK, MLP_SCALING));
  optimizer.attach(lorapro::DenseView<float>{p.head, g.head, MLP_HEAD_SIZE});
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    float loss = 0;
    for (int first = 0; first + MLP_BATCH <= task.training.count; first += MLP_BATCH) {
      memset(mlp->grads, 0, MLP_TRAINED_SIZE * sizeof(float));
      loss += mlp_loss_and_gradients(mlp, task.training.pixels + first * MLP_INPUTS,
                                     task.training.labels + first, MLP_BATCH);
      if (optimizer.step().skipped() > 0) return 1;
    }
    printf("epoch %d: loss %.4f\n", epoch + 1, loss * MLP_BATCH / (float)task.training.count);
  }
  fashion_finish(&task, "LoRA-Pro");
  return 0;
}
