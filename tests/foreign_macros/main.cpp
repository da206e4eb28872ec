// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

/// \file
/// The headers in an environment of macros: all that they include from elsewhere, the macros, all
/// of the library's headers (both lists are made by CMake), and a use of them.
#include "foreign_headers.hpp"
#include "macros.hpp"
// The order matters.
#include "library_headers.hpp"

namespace {

using Matrix = lorapro::RowMatrix<float>;

template <typename Rule>
bool trains() {
  using namespace lorapro;
  LoraConfig options;
  options.rank = 4;
  LoraLayer<float> layer(BaseWeight<float>::own(Matrix(Matrix::Random(16, 24))), options);
  const Matrix x = Matrix::Random(8, 24), target = Matrix::Random(8, 16);
  Matrix y(8, 16), head = Matrix::Random(1, 5), head_gradient = head;
  OptimizerConfig config;
  config.group.lr = 1e-2;
  config.group.clip_norm = ClipNorm::adapter;
  Optimizer<float, Rule> optimizer(config);
  optimizer.attach(layer);
  optimizer.attach(DenseView<float>{head.data(), head_gradient.data(), head.size()});
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {
    layer.forward(x, y);
    last = static_cast<double>((y - target).squaredNorm());
    if (step == 0) first = last;
    layer.backward(x, Matrix(y - target));
    if (optimizer.step().updated != 2) return false;
    optimizer.zero_grad();
  }
  return last < first;
}

bool keeps_weights() {
  const Matrix weight = Matrix::Random(8, 64);
  Matrix decoded(8, 64);
  lorapro::Nf4Weight::quantize(weight).decode(0, 8, 0, 64, decoded.data(), 64);
  const bool nf4 = (decoded - weight).norm() < 0.2F * weight.norm();
  lorapro::Int8Weight::quantize(weight).decode(0, 8, 0, 64, decoded.data(), 64);
  return nf4 && (decoded - weight).norm() < 0.02F * weight.norm();
}

bool writes_and_reads(const std::filesystem::path& folder) {
  const auto path = folder / "foreign_macros.safetensors";
  lorapro::Optimizer<float, lorapro::AdamWRule> optimizer;
  Matrix value = Matrix::Random(1, 6), gradient = Matrix::Random(1, 6);
  optimizer.attach(lorapro::DenseView<float>{value.data(), gradient.data(), 6});
  (void)optimizer.step();
  lorapro::io::CheckpointWriter writer;
  writer.add("run", optimizer);
  writer.write(path);
  const Matrix saved = value;
  value.setZero();
  lorapro::io::CheckpointReader(path).load("run", optimizer);
  std::filesystem::remove(path);
  return value == saved;
}

}  // namespace

int main() {
  const bool good = trains<lorapro::AdamWRule>() && trains<lorapro::MuonRule>() &&
                    trains<lorapro::LoraPro<lorapro::SpectralMoments>>() &&
                    trains<lorapro::LoraPro<lorapro::FullMoments<float>>>() &&
                    trains<lorapro::LoraPro<lorapro::FactoredMoments>>() && keeps_weights() &&
                    writes_and_reads(std::filesystem::temp_directory_path());
  std::puts(good ? "good" : "FAILED");
  return good ? 0 : 1;
}
