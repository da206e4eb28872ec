/* SPDX-FileCopyrightText: 2026 the lorapro authors
 * SPDX-License-Identifier: MIT
 *
 * A hand-written engine: a network of three layers with LoRA adapters on the first two, its numbers
 * in flat buffers, its arithmetic plain loops. It knows nothing of lorapro. C99 and C++. */
#ifndef LORAPRO_EXAMPLES_C_STYLE_MLP_H
#define LORAPRO_EXAMPLES_C_STYLE_MLP_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MLP_INPUTS = 784, MLP_HIDDEN = 128, MLP_CLASSES = 5, MLP_RANK = 4, MLP_BATCH = 50 };
#define MLP_SCALING 2.0f /* alpha / rank */

/* Row-major tensors inside one buffer: the frozen base, or its gradient. */
typedef struct {
  float *weight0, *bias0; /* (hidden, inputs), (hidden) */
  float *weight1, *bias1; /* (hidden, hidden), (hidden) */
} MlpBase;

/* The same for what fine-tuning trains, or its gradient. */
typedef struct {
  float *lora_A0, *lora_B0; /* (rank, inputs), (hidden, rank) */
  float *lora_A1, *lora_B1; /* (rank, hidden), (hidden, rank) */
  float *head, *head_bias;  /* (classes, hidden), (classes) */
} MlpTrained;

enum {
  MLP_BASE_SIZE = MLP_HIDDEN * MLP_INPUTS + MLP_HIDDEN + MLP_HIDDEN * MLP_HIDDEN + MLP_HIDDEN,
  MLP_HEAD_SIZE = MLP_CLASSES * MLP_HIDDEN + MLP_CLASSES,
  MLP_TRAINED_SIZE =
      MLP_RANK * (MLP_INPUTS + MLP_HIDDEN) + 2 * MLP_RANK * MLP_HIDDEN + MLP_HEAD_SIZE
};

typedef struct {
  float *base, *base_grads; /* flat; the gradient is NULL while the base is frozen */
  float *params, *grads;    /* flat: what fine-tuning trains */
  MlpBase base_at, base_grads_at;
  MlpTrained at, grads_at;
  /* Activations of a batch and their gradients. */
  float *hidden0, *hidden1, *low0, *low1, *logits, *d_hidden0, *d_hidden1, *d_logits;
} Mlp;

static inline MlpBase mlp_point_base(float* memory) {
  MlpBase t;
  t.weight0 = memory;
  t.bias0 = t.weight0 + MLP_HIDDEN * MLP_INPUTS;
  t.weight1 = t.bias0 + MLP_HIDDEN;
  t.bias1 = t.weight1 + MLP_HIDDEN * MLP_HIDDEN;
  return t;
}

static inline MlpTrained mlp_point_trained(float* memory) {
  MlpTrained t;
  t.lora_A0 = memory;
  t.lora_B0 = t.lora_A0 + MLP_RANK * MLP_INPUTS;
  t.lora_A1 = t.lora_B0 + MLP_HIDDEN * MLP_RANK;
  t.lora_B1 = t.lora_A1 + MLP_RANK * MLP_HIDDEN;
  t.head = t.lora_B1 + MLP_HIDDEN * MLP_RANK;
  t.head_bias = t.head + MLP_CLASSES * MLP_HIDDEN;
  return t;
}

static inline float* mlp_buffer(size_t count) {
  float* buffer = (float*)calloc(count, sizeof(float));
  if (buffer == NULL) abort();
  return buffer;
}

/* splitmix64: uniform in [-bound, bound). */
static inline float mlp_random(uint64_t* state, float bound) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  z ^= z >> 31;
  return bound * ((float)(z >> 40) / 8388608.0f - 1.0f);
}

static inline void mlp_fill(float* values, int count, uint64_t* state, float bound) {
  for (int i = 0; i < count; ++i) values[i] = mlp_random(state, bound);
}

/* A new head, and adapters that change nothing yet: A random, B zero. */
static inline void mlp_reset_trained(Mlp* mlp, uint64_t seed) {
  memset(mlp->params, 0, MLP_TRAINED_SIZE * sizeof(float));
  mlp_fill(mlp->at.lora_A0, MLP_RANK * MLP_INPUTS, &seed, 1.0f / sqrtf(MLP_INPUTS));
  mlp_fill(mlp->at.lora_A1, MLP_RANK * MLP_HIDDEN, &seed, 1.0f / sqrtf(MLP_HIDDEN));
  mlp_fill(mlp->at.head, MLP_CLASSES * MLP_HIDDEN, &seed, 1.0f / sqrtf(MLP_HIDDEN));
}

static inline void mlp_create(Mlp* mlp, uint64_t seed) {
  mlp->base = mlp_buffer(MLP_BASE_SIZE);
  mlp->base_grads = mlp_buffer(MLP_BASE_SIZE);
  mlp->params = mlp_buffer(MLP_TRAINED_SIZE);
  mlp->grads = mlp_buffer(MLP_TRAINED_SIZE);
  mlp->base_at = mlp_point_base(mlp->base);
  mlp->base_grads_at = mlp_point_base(mlp->base_grads);
  mlp->at = mlp_point_trained(mlp->params);
  mlp->grads_at = mlp_point_trained(mlp->grads);
  mlp->hidden0 = mlp_buffer(MLP_BATCH * MLP_HIDDEN);
  mlp->hidden1 = mlp_buffer(MLP_BATCH * MLP_HIDDEN);
  mlp->low0 = mlp_buffer(MLP_BATCH * MLP_RANK);
  mlp->low1 = mlp_buffer(MLP_BATCH * MLP_RANK);
  mlp->logits = mlp_buffer(MLP_BATCH * MLP_CLASSES);
  mlp->d_hidden0 = mlp_buffer(MLP_BATCH * MLP_HIDDEN);
  mlp->d_hidden1 = mlp_buffer(MLP_BATCH * MLP_HIDDEN);
  mlp->d_logits = mlp_buffer(MLP_BATCH * MLP_CLASSES);
  mlp_fill(mlp->base_at.weight0, MLP_HIDDEN * MLP_INPUTS, &seed, sqrtf(6.0f / MLP_INPUTS));
  mlp_fill(mlp->base_at.weight1, MLP_HIDDEN * MLP_HIDDEN, &seed, sqrtf(6.0f / MLP_HIDDEN));
  mlp_reset_trained(mlp, seed);
}

static inline void mlp_freeze_base(Mlp* mlp) {
  free(mlp->base_grads);
  mlp->base_grads = NULL;
}

static inline void mlp_destroy(Mlp* mlp) {
  float* buffers[] = {mlp->base,    mlp->base_grads, mlp->params,    mlp->grads,
                      mlp->hidden0, mlp->hidden1,    mlp->low0,      mlp->low1,
                      mlp->logits,  mlp->d_hidden0,  mlp->d_hidden1, mlp->d_logits};
  for (size_t i = 0; i < sizeof buffers / sizeof *buffers; ++i) free(buffers[i]);
}

/* Eight sums: one alone would be added up number after number. */
static inline float mlp_dot(const float* a, const float* b, int count) {
  float sums[8] = {0}, rest = 0;
  int i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += a[i + k] * b[i + k];
  }
  for (; i < count; ++i) rest += a[i] * b[i];
  for (int k = 0; k < 8; ++k) rest += sums[k];
  return rest;
}

/* y += a x */
static inline void mlp_axpy(float a, const float* x, float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] += a * x[i];
}

/* y = x W^T + bias */
static inline void linear_forward(const float* x, const float* weight, const float* bias, float* y,
                                  int batch, int out, int in) {
  for (int i = 0; i < batch; ++i) {
    for (int o = 0; o < out; ++o) {
      y[i * out + o] = (bias != NULL ? bias[o] : 0.0f) + mlp_dot(x + i * in, weight + o * in, in);
    }
  }
}

/* Adds to whichever of the gradients is not NULL. */
static inline void linear_backward(const float* x, const float* weight, const float* dy, float* dx,
                                   float* d_weight, float* d_bias, int batch, int out, int in) {
  for (int i = 0; i < batch; ++i) {
    for (int o = 0; o < out; ++o) {
      const float d = dy[i * out + o];
      if (dx != NULL) mlp_axpy(d, weight + o * in, dx + i * in, in);
      if (d_weight != NULL) mlp_axpy(d, x + i * in, d_weight + o * in, in);
      if (d_bias != NULL) d_bias[o] += d;
    }
  }
}

/* low = x A^T, y += s low B^T */
static inline void lora_forward(const float* x, const float* lora_A, const float* lora_B,
                                float* low, float* y, int batch, int out, int in) {
  linear_forward(x, lora_A, NULL, low, batch, MLP_RANK, in);
  for (int i = 0; i < batch; ++i) {
    for (int o = 0; o < out; ++o) {
      y[i * out + o] += MLP_SCALING * mlp_dot(low + i * MLP_RANK, lora_B + o * MLP_RANK, MLP_RANK);
    }
  }
}

static inline void lora_backward(const float* x, const float* lora_A, const float* lora_B,
                                 const float* low, const float* dy, float* dx, float* d_lora_A,
                                 float* d_lora_B, int batch, int out, int in) {
  for (int i = 0; i < batch; ++i) {
    float d_low[MLP_RANK] = {0};
    for (int o = 0; o < out; ++o) {
      const float d = MLP_SCALING * dy[i * out + o];
      mlp_axpy(d, lora_B + o * MLP_RANK, d_low, MLP_RANK);
      mlp_axpy(d, low + i * MLP_RANK, d_lora_B + o * MLP_RANK, MLP_RANK);
    }
    for (int k = 0; k < MLP_RANK; ++k) {
      mlp_axpy(d_low[k], x + i * in, d_lora_A + k * in, in);
      if (dx != NULL) mlp_axpy(d_low[k], lora_A + k * in, dx + i * in, in);
    }
  }
}

static inline void relu_forward(float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] = y[i] > 0 ? y[i] : 0;
}

static inline void relu_backward(const float* y, float* dy, int count) {
  for (int i = 0; i < count; ++i) dy[i] = y[i] > 0 ? dy[i] : 0;
}

static inline void mlp_forward(Mlp* mlp, const float* x, int batch) {
  const MlpBase base = mlp->base_at;
  const MlpTrained t = mlp->at;
  linear_forward(x, base.weight0, base.bias0, mlp->hidden0, batch, MLP_HIDDEN, MLP_INPUTS);
  lora_forward(x, t.lora_A0, t.lora_B0, mlp->low0, mlp->hidden0, batch, MLP_HIDDEN, MLP_INPUTS);
  relu_forward(mlp->hidden0, batch * MLP_HIDDEN);
  linear_forward(mlp->hidden0, base.weight1, base.bias1, mlp->hidden1, batch, MLP_HIDDEN,
                 MLP_HIDDEN);
  lora_forward(mlp->hidden0, t.lora_A1, t.lora_B1, mlp->low1, mlp->hidden1, batch, MLP_HIDDEN,
               MLP_HIDDEN);
  relu_forward(mlp->hidden1, batch * MLP_HIDDEN);
  linear_forward(mlp->hidden1, t.head, t.head_bias, mlp->logits, batch, MLP_CLASSES, MLP_HIDDEN);
}

/* Mean cross-entropy of a batch; adds its gradients to mlp->grads, and to mlp->base_grads unless
 * the base is frozen. */
static inline float mlp_loss_and_gradients(Mlp* mlp, const float* x, const int* labels, int batch) {
  const MlpBase base = mlp->base_at;
  const MlpTrained t = mlp->at, g = mlp->grads_at;
  MlpBase bg = {NULL, NULL, NULL, NULL};
  if (mlp->base_grads != NULL) bg = mlp->base_grads_at;
  float loss = 0;
  mlp_forward(mlp, x, batch);
  for (int i = 0; i < batch; ++i) {
    const float* z = mlp->logits + i * MLP_CLASSES;
    float* d = mlp->d_logits + i * MLP_CLASSES;
    float top = z[0], sum = 0;
    for (int c = 1; c < MLP_CLASSES; ++c) top = z[c] > top ? z[c] : top;
    for (int c = 0; c < MLP_CLASSES; ++c) sum += d[c] = expf(z[c] - top);
    for (int c = 0; c < MLP_CLASSES; ++c) d[c] = (d[c] / sum - (c == labels[i])) / (float)batch;
    loss += (top + logf(sum) - z[labels[i]]) / (float)batch;
  }
  memset(mlp->d_hidden0, 0, sizeof(float) * (size_t)(batch * MLP_HIDDEN));
  memset(mlp->d_hidden1, 0, sizeof(float) * (size_t)(batch * MLP_HIDDEN));
  linear_backward(mlp->hidden1, t.head, mlp->d_logits, mlp->d_hidden1, g.head, g.head_bias, batch,
                  MLP_CLASSES, MLP_HIDDEN);
  relu_backward(mlp->hidden1, mlp->d_hidden1, batch * MLP_HIDDEN);
  linear_backward(mlp->hidden0, base.weight1, mlp->d_hidden1, mlp->d_hidden0, bg.weight1, bg.bias1,
                  batch, MLP_HIDDEN, MLP_HIDDEN);
  lora_backward(mlp->hidden0, t.lora_A1, t.lora_B1, mlp->low1, mlp->d_hidden1, mlp->d_hidden0,
                g.lora_A1, g.lora_B1, batch, MLP_HIDDEN, MLP_HIDDEN);
  relu_backward(mlp->hidden0, mlp->d_hidden0, batch * MLP_HIDDEN);
  linear_backward(x, base.weight0, mlp->d_hidden0, NULL, bg.weight0, bg.bias0, batch, MLP_HIDDEN,
                  MLP_INPUTS);
  lora_backward(x, t.lora_A0, t.lora_B0, mlp->low0, mlp->d_hidden0, NULL, g.lora_A0, g.lora_B0,
                batch, MLP_HIDDEN, MLP_INPUTS);
  return loss;
}

/* exp_avg and exp_avg_sq of `count` parameters that lie in one piece. */
typedef struct {
  float *exp_avg, *exp_avg_sq;
  int count, step;
} AdamW;

static inline AdamW adamw_create(int count) {
  AdamW adamw = {mlp_buffer((size_t)count), mlp_buffer((size_t)count), count, 0};
  return adamw;
}

static inline void adamw_destroy(AdamW* adamw) {
  free(adamw->exp_avg);
  free(adamw->exp_avg_sq);
}

static inline void adamw_step(AdamW* adamw, float* params, const float* grads, float lr) {
  const float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
  ++adamw->step;
  const float correction1 = 1 - powf(beta1, (float)adamw->step);
  const float correction2 = 1 - powf(beta2, (float)adamw->step);
  for (int i = 0; i < adamw->count; ++i) {
    const float g = grads[i];
    float *m = adamw->exp_avg + i, *v = adamw->exp_avg_sq + i;
    *m = beta1 * *m + (1 - beta1) * g;
    *v = beta2 * *v + (1 - beta2) * g * g;
    params[i] -= lr * (*m / correction1) / (sqrtf(*v / correction2) + eps);
  }
}

#endif
