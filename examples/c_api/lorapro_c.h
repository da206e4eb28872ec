/* SPDX-FileCopyrightText: 2026 the lorapro authors
 * SPDX-License-Identifier: MIT
 *
 * lorapro for C: an optimizer that works in place on the caller's float buffers. Copy this header
 * and lorapro_c.cpp into your project, and extend them by what you need of the library. */
#ifndef LORAPRO_C_H
#define LORAPRO_C_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For beta1: what suits the rule. */
#define LORAPRO_BETA1_OF_RULE (-1.0)

typedef struct {
  const char* rule; /* its name: "lora_pro_spectral", "adamw" (plain LoRA)...: lorapro_rule_name */
  double lr, weight_decay, beta1, beta2, eps, damping;
  int threads; /* 0: all; needs OpenMP */
} lorapro_options;

typedef struct {
  int64_t step;    /* of the optimizer, from 1 */
  int64_t updated; /* parameters */
  int64_t skipped; /* that were left untouched because something was not finite or too large */
} lorapro_report;

typedef struct lorapro_optimizer lorapro_optimizer;

/* The names of the rules that there are, for index = 0, 1...; NULL behind the last one. */
const char* lorapro_rule_name(int index);

/* The library's defaults. */
lorapro_options lorapro_default_options(void);

/* Each function below returns 0 (lorapro_create: NULL) after an error, which lorapro_last_error
 * describes, and has changed nothing then; 1 otherwise. */
lorapro_optimizer* lorapro_create(const lorapro_options* options);
void lorapro_destroy(lorapro_optimizer* optimizer); /* NULL is fine */

/* W (out, in) = W0 + scaling B A: lora_A (rank, in) and lora_B (out, rank) row-major, with the
 * gradients that backpropagation returns, scaling included. The buffers stay the caller's and must
 * stay where they are. */
int lorapro_attach_pair(lorapro_optimizer* optimizer, float* lora_A, float* lora_B, float* grad_A,
                        float* grad_B, int64_t out_features, int64_t in_features, int64_t rank,
                        double scaling);

/* A parameter without factors, which AdamW updates: a head, a norm. */
int lorapro_attach_dense(lorapro_optimizer* optimizer, float* value, float* grad, int64_t size);

/* One update by the gradients in the attached buffers; `report` may be NULL. */
int lorapro_step(lorapro_optimizer* optimizer, lorapro_report* report);
int lorapro_set_lr(lorapro_optimizer* optimizer, double lr);

/* Of the last error in this thread; "" if there was none. */
const char* lorapro_last_error(void);

#ifdef __cplusplus
}
#endif

#endif
