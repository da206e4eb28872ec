/* SPDX-FileCopyrightText: 2026 the lorapro authors
 * SPDX-License-Identifier: MIT
 *
 * Fashion-MNIST for the network of mlp.h, and what its trainers share around their loop. */
#ifndef LORAPRO_EXAMPLES_C_STYLE_FASHION_H
#define LORAPRO_EXAMPLES_C_STYLE_FASHION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "mlp.h"

typedef struct {
  float* pixels; /* (count, 784), about zero mean and unit variance */
  int* labels;   /* from 0 */
  int count;
} Images;

static inline void images_destroy(Images* images) {
  free(images->pixels);
  free(images->labels);
}

static inline int fashion_read(gzFile file, unsigned char* bytes, unsigned count) {
  return file != NULL && gzread(file, bytes, count) == (int)count;
}

/* Up to `limit` images of the classes first_class .. first_class + 4 of `part` ("train", "t10k").
 * Returns 0 and says why on stderr if the files are missing or not what they should be. */
static inline int fashion_load(Images* images, const char* folder, const char* part,
                               int first_class, int limit) {
  char path[4096];
  unsigned char header[16], pixels[MLP_INPUTS], label;
  int ok = 0;
  gzFile image_file, label_file;
  images->count = 0;
  images->pixels = mlp_buffer((size_t)limit * MLP_INPUTS);
  images->labels = (int*)calloc((size_t)limit, sizeof(int));
  if (images->labels == NULL) abort();
  snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte.gz", folder, part);
  image_file = gzopen(path, "rb");
  snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte.gz", folder, part);
  label_file = gzopen(path, "rb");
  if (fashion_read(image_file, header, 16) && header[3] == 3 && header[11] == 28 &&
      header[15] == 28 && fashion_read(label_file, header, 8) && header[3] == 1) {
    ok = 1;
    while (images->count < limit && fashion_read(image_file, pixels, MLP_INPUTS) &&
           fashion_read(label_file, &label, 1)) {
      if (label < first_class || label > first_class + 4) continue;
      for (int k = 0; k < MLP_INPUTS; ++k) {
        images->pixels[images->count * MLP_INPUTS + k] =
            ((float)pixels[k] / 255.0f - 0.286f) / 0.353f;
      }
      images->labels[images->count++] = label - first_class;
    }
  }
  if (image_file != NULL) gzclose(image_file);
  if (label_file != NULL) gzclose(label_file);
  if (ok && images->count >= MLP_BATCH) return 1;
  fprintf(stderr, "%s: no Fashion-MNIST there (Debian: apt-get install dataset-fashion-mnist)\n",
          folder);
  images_destroy(images);
  return 0;
}

static inline float fashion_accuracy(Mlp* mlp, const Images* images) {
  int right = 0, count = images->count / MLP_BATCH * MLP_BATCH;
  for (int first = 0; first < count; first += MLP_BATCH) {
    mlp_forward(mlp, images->pixels + first * MLP_INPUTS, MLP_BATCH);
    for (int i = 0; i < MLP_BATCH; ++i) {
      const float* z = mlp->logits + i * MLP_CLASSES;
      int best = 0;
      for (int c = 1; c < MLP_CLASSES; ++c) best = z[c] > z[best] ? c : best;
      right += best == images->labels[first + i];
    }
  }
  return (float)right / (float)count;
}

/* What a fine-tuning starts from and is judged by. */
typedef struct {
  Mlp mlp;
  Images training, test; /* classes 5 to 9 */
} FashionTask;

/* A base that was trained on classes 0 to 4, and new adapters and a new head on it. Returns 0
 * where the data are missing. `size`: images to learn from. */
static inline int fashion_prepare(FashionTask* task, const char* folder, int size) {
  Images images;
  AdamW base_adamw, head_adamw;
  Mlp* mlp = &task->mlp;
  if (!fashion_load(&images, folder, "train", 0, 5 * size)) return 0;
  mlp_create(mlp, 1);
  base_adamw = adamw_create(MLP_BASE_SIZE);
  head_adamw = adamw_create(MLP_HEAD_SIZE);
  for (int first = 0; first + MLP_BATCH <= images.count; first += MLP_BATCH) {
    memset(mlp->grads, 0, MLP_TRAINED_SIZE * sizeof(float));
    memset(mlp->base_grads, 0, MLP_BASE_SIZE * sizeof(float));
    mlp_loss_and_gradients(mlp, images.pixels + first * MLP_INPUTS, images.labels + first,
                           MLP_BATCH);
    adamw_step(&base_adamw, mlp->base, mlp->base_grads, 1e-3f);
    adamw_step(&head_adamw, mlp->at.head, mlp->grads_at.head, 1e-3f);
  }
  adamw_destroy(&base_adamw);
  adamw_destroy(&head_adamw);
  images_destroy(&images);
  mlp_freeze_base(mlp);
  mlp_reset_trained(mlp, 2);
  if (!fashion_load(&task->training, folder, "train", 5, size)) return 0;
  return fashion_load(&task->test, folder, "t10k", 5, 5000);
}

static inline void fashion_finish(FashionTask* task, const char* name) {
  printf("%s: test accuracy %.4f\n", name, fashion_accuracy(&task->mlp, &task->test));
  images_destroy(&task->training);
  images_destroy(&task->test);
  mlp_destroy(&task->mlp);
}

/* Arguments of the trainers: [--smoke] [FOLDER]. */
typedef struct {
  const char* folder;
  int size, epochs;
} FashionOptions;

static inline int fashion_parse(FashionOptions* options, int argc, char** argv) {
  options->folder = "/usr/share/datasets/fashion-mnist";
  options->size = 2000;
  options->epochs = 10;
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--smoke") == 0) {
      options->size = 200;
      options->epochs = 2;
    } else if (argv[i][0] == '-') {
      printf("usage: %s [--smoke] [FOLDER WITH FASHION-MNIST]\n", argv[0]);
      return strcmp(argv[i], "--help") == 0 ? 0 : 2;
    } else {
      options->folder = argv[i];
    }
  }
  return -1; /* go on */
}

#endif
