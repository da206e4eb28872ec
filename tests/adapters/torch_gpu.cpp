// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT

// torch_gpu [DEVICE]: the tensor path of LoraProOptimizer on a device (cuda:0) beside the mapped path
// on the CPU, from equal parameters and equal gradients. Returns 77 where there is no such device.
// tests/adapters/torch_gpu.sh builds and runs it; nothing but libtorch and Eigen is needed.

#include <lorapro/adapters/torch.hpp>
#include <cstdio>
#include <sstream>
#include <torch/torch.h>

namespace {

using lorapro::Gauge;
using lorapro::torch_adapter::LoraLinear;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProOptimizer;
using lorapro::torch_adapter::StepPath;
using Options = lorapro::torch_adapter::LoraProOptions;
using torch::Tensor;

int failures = 0;

void expect(bool holds, const std::string& words) {
  if (!holds) ++failures;
  std::printf("%s  %s\n", holds ? "ok  " : "FAIL", words.c_str());
}

double deviation(const Tensor& a, const Tensor& b) {
  const Tensor x = a.detach().to(torch::kCPU, torch::kDouble);
  const Tensor y = b.detach().to(torch::kCPU, torch::kDouble);
  const auto error = (x - y).abs().max().item<double>();
  return std::isfinite(error) ? error / std::max(y.abs().max().item<double>(), 1e-30) : INFINITY;
}

/// Pairs of several shapes and a bias.
struct Parameters {
  std::vector<LoraPair> pairs;
  Tensor bias;

  Parameters(torch::ScalarType type, torch::Device device) {
    torch::manual_seed(7);  // numbers of the CPU's generator, whatever the device
    const auto leaf = [&](torch::IntArrayRef shape) {
      return torch::randn(shape, torch::kDouble).to(device, type).set_requires_grad(true);
    };
    const std::int64_t shapes[][3] = {{96, 64, 8}, {20, 130, 4}, {6, 6, 6}, {7, 12, 1}};
    for (const auto& [m, n, r] : shapes) pairs.push_back({leaf({r, n}), leaf({m, r}), 1.5});
    bias = leaf({33});
  }

  std::vector<Tensor> all() const {
    std::vector<Tensor> result{bias};
    for (const LoraPair& pair : pairs) {
      result.push_back(pair.lora_A);
      result.push_back(pair.lora_B);
    }
    return result;
  }
  LoraProOptimizer optimizer(const Options& options) const {
    return LoraProOptimizer({torch::optim::OptimizerParamGroup(all())}, pairs, options);
  }
  /// The same gradients for every copy of the parameters.
  void set_gradients(std::uint64_t seed) const {
    torch::manual_seed(seed);
    for (Tensor parameter : all())
      parameter.mutable_grad() = torch::randn(parameter.sizes(), torch::kDouble)
                                     .to(parameter.device(), parameter.scalar_type());
  }
  double deviation_from(const Parameters& other) const {
    double worst = 0;
    for (std::size_t i = 0; i < all().size(); ++i)
      worst = std::max(worst, deviation(all()[i], other.all()[i]));
    return worst;
  }
};

struct Case {
  std::string name;
  Options options;
  torch::ScalarType type;
  double tolerance;
};

std::vector<Case> cases() {
  const std::pair<Gauge, const char*> gauges[] = {
      {Gauge::sylvester, "sylvester"}, {Gauge::balanced, "balanced"}, {Gauge::zero, "zero"}};
  // In low precision the two paths round at other places; the first three are those of the tests.
  const std::tuple<torch::ScalarType, const char*, double> types[] = {
      {torch::kDouble, "double", 1e-8},
      {torch::kFloat, "float", 1e-4},
      {torch::kHalf, "half", 2e-3},
      {torch::kBFloat16, "bfloat16", 1e-2}};
  std::vector<Case> result;
  for (const std::string& rule :
       lorapro::detail::names_of(lorapro::torch_adapter::detail::TensorRules{})) {
    const Options options = Options(0.01).rule(rule).weight_decay(0.1).loraplus_lr_ratio(2);
    for (const auto& [type, type_name, tolerance] : types)
      result.push_back({rule + ", " + type_name, options, type, tolerance});
    // dB of a pair of full rank is 0 but for rounding in the zero gauge, which eps has to drown.
    for (const auto& [gauge, gauge_name] : gauges)
      result.push_back({rule + ", double, " + gauge_name + " gauge",
                        Options(options).gauge(gauge).eps(1e-4), torch::kDouble, 1e-8});
    result.push_back(
        {rule + ", double, clipped", Options(options).max_grad_norm(0.5), torch::kDouble, 1e-8});
  }
  return result;
}

void compare(const Case& what, torch::Device device) {
  const Parameters here(what.type, torch::kCPU), there(what.type, device);
  LoraProOptimizer on_cpu = here.optimizer(what.options);
  LoraProOptimizer on_device = there.optimizer(Options(what.options).path(StepPath::tensor));
  bool updated = true;
  for (std::uint64_t step = 0; step < 6; ++step) {
    here.set_gradients(step);
    there.set_gradients(step);
    on_cpu.step();
    on_device.step();
    updated = updated && on_cpu.report().updated == 5 && on_device.report().updated == 5;
  }
  const double worst = there.deviation_from(here);
  char text[160];
  std::snprintf(text, sizeof text, "%-44s deviation %.1e of at most %.0e", what.name.c_str(), worst,
                what.tolerance);
  expect(updated && worst < what.tolerance, text);
}

void skip_what_is_not_finite(torch::Device device) {
  const Parameters there(torch::kFloat, device);
  LoraProOptimizer optimizer = there.optimizer(Options(0.01).path(StepPath::tensor));
  there.set_gradients(1);
  there.pairs[1].lora_B.mutable_grad()[3][0] = NAN;
  const Tensor before = there.pairs[1].lora_A.detach().clone();
  optimizer.step();
  expect(optimizer.report().updated == 4 && optimizer.report().skipped_non_finite == 1 &&
             torch::equal(before, there.pairs[1].lora_A.detach()),
         "a pair with a NaN in its gradient is skipped");
}

void move_to_the_cpu(torch::Device device) {
  const Parameters here(torch::kDouble, torch::kCPU), there(torch::kDouble, device);
  LoraProOptimizer on_device = there.optimizer(Options(0.01).path(StepPath::tensor));
  for (std::uint64_t step = 0; step < 3; ++step) {
    there.set_gradients(step);
    on_device.step();
  }
  std::stringstream file;
  torch::save(on_device, file);
  LoraProOptimizer on_cpu = here.optimizer(Options(0.01));
  torch::load(on_cpu, file);
  {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < here.all().size(); ++i) here.all()[i].copy_(there.all()[i]);
  }
  here.set_gradients(3);
  there.set_gradients(3);
  on_cpu.step();
  on_device.step();
  expect(there.deviation_from(here) < 1e-8, "a state saved on the device goes on on the CPU");
}

void train_a_layer(torch::Device device) {
  torch::manual_seed(1);
  LoraLinear layer(64, 48);
  lorapro::LoraConfig config;
  config.rank = 4;
  layer->add_adapter(config);
  layer->to(device);
  LoraProOptimizer optimizer(*layer, Options(0.01));
  const Tensor x = torch::randn({256, 64}).to(device), target = torch::randn({256, 48}).to(device);
  double first = 0, loss = 0;
  for (int step = 0; step < 30; ++step) {
    optimizer.zero_grad();
    const Tensor value = (layer(x) - target).square().mean();
    value.backward();
    optimizer.step();
    loss = value.item<double>();
    if (step == 0) first = loss;
  }
  expect(loss < 0.95 * first, "a LoraLinear on the device learns: loss " + std::to_string(first) +
                                  " to " + std::to_string(loss));
}

}  // namespace

int main(int argc, char** argv) {
  const torch::Device device(argc > 1 ? argv[1] : "cuda:0");
  if (device.is_cuda() && !torch::cuda::is_available()) {
    std::printf("torch_gpu: there is no CUDA device\n");
    return 77;
  }
  for (const Case& what : cases()) compare(what, device);
  skip_what_is_not_finite(device);
  move_to_the_cpu(device);
  train_a_layer(device);
  std::printf("%d failures on %s\n", failures, device.str().c_str());
  return failures == 0 ? 0 : 1;
}
