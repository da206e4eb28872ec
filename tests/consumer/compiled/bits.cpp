// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// Compiled with and without the library lorapro::compiled: what each makes of the same steps.

#include <lorapro/layer/lora_layer.hpp>
#include <lorapro/layer/nf4_weight.hpp>
#include <lorapro/optim/optimizer.hpp>
#ifndef LORAPRO_COMPILED
#include <lorapro/optim/rules.hpp>
#endif

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

std::uint64_t hash_of(const float* numbers, std::size_t count, std::uint64_t hash) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, numbers + i, sizeof bits);
    hash = hash * 1099511628211U + bits;
  }
  return hash;
}

template <typename Scalar>
struct Parameters {
  static constexpr lorapro::Index kOut = 70, kIn = 53, kRank = 6;
  std::vector<Scalar> A, B, grad_A, grad_B, value, grad;
  std::uint64_t state = 1;

  Parameters() : A(kRank * kIn), B(kOut * kRank), grad_A(A), grad_B(B), value(37), grad(37) {
    for (auto* numbers : {&A, &B, &value}) draw(*numbers);
  }
  void draw(std::vector<Scalar>& numbers) {
    for (Scalar& number : numbers) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      number = static_cast<Scalar>(static_cast<double>(state >> 40) / (1 << 24) - 0.5);
    }
  }
};

template <typename Rule, typename Scalar>
void print_bits() {
  Parameters<Scalar> p;
  lorapro::OptimizerConfig config;
  config.group.weight_decay = 0.1;
  config.group.clip_norm = lorapro::ClipNorm::equivalent_gradient;
  lorapro::Optimizer<Scalar, Rule> optimizer(config);
  optimizer.attach(lorapro::row_major_view(p.A.data(), p.B.data(), p.grad_A.data(), p.grad_B.data(),
                                           p.kOut, p.kIn, p.kRank, 2.0));
  optimizer.attach(lorapro::DenseView<Scalar>{p.value.data(), p.grad.data(), 37});
  for (int step = 0; step < 5; ++step) {
    for (auto* numbers : {&p.grad_A, &p.grad_B, &p.grad}) p.draw(*numbers);
    if (optimizer.step().updated != 2) std::puts("skipped");
  }
  std::uint64_t hash = 0;
  for (const auto* numbers : {&p.A, &p.B, &p.value})
    for (const Scalar number : *numbers) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, &number, sizeof number);
      hash = hash * 1099511628211U + bits;
    }
  std::printf("%s %016llx\n", optimizer.rule().c_str(), static_cast<unsigned long long>(hash));
}

/// A batch forwards and backwards through a layer.
template <typename Base>
void print_layer(const char* name) {
  using Matrix = lorapro::RowMatrix<float>;
  Parameters<float> p;
  Matrix weight(p.kOut, p.kIn), x(40, p.kIn), grad_y(40, p.kOut), y, grad_x;
  std::vector<float> numbers;
  for (Matrix* matrix : {&weight, &x, &grad_y}) {
    numbers.resize(static_cast<std::size_t>(matrix->size()));
    p.draw(numbers);
    std::memcpy(matrix->data(), numbers.data(), numbers.size() * sizeof(float));
  }
  lorapro::LoraConfig config;
  config.rank = p.kRank;
  config.lora_dropout = 0.1;
  using Layer = lorapro::LoraLayer<float, Base>;
  Layer layer(Layer::Weight::quantize(weight), config);
  std::memcpy(layer.lora_B().data(), p.B.data(), p.B.size() * sizeof(float));
  layer.forward(x, y);
  layer.backward(x, grad_y, grad_x);
  std::uint64_t hash = hash_of(y.data(), static_cast<std::size_t>(y.size()), 0);
  hash = hash_of(grad_x.data(), static_cast<std::size_t>(grad_x.size()), hash);
  hash = hash_of(layer.grad_A().data(), p.A.size(), hash);
  hash = hash_of(layer.grad_B().data(), p.B.size(), hash);
  std::printf("%s %016llx\n", name, static_cast<unsigned long long>(hash));
}

}  // namespace

void LORAPRO_PRINT_BITS() {
  using namespace lorapro;
  print_bits<LoraPro<SpectralMoments>, float>();
  print_bits<LoraPro<FullMoments<bfloat16>>, float>();
  print_bits<LoraPro<FactoredMoments>, double>();
  print_bits<AdamWRule, double>();
  print_layer<float>("float layer");
  print_layer<Nf4Weight>("NF4 layer");
}
