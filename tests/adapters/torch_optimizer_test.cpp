// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "support/torch.hpp"

#include <lorapro/layer/lora_layer.hpp>

namespace {

using lorapro::ConfigError;
using lorapro::Gauge;
using lorapro::Index;
using lorapro::ShapeError;
using lorapro::StateError;
using lorapro::torch_adapter::LoraPair;
using lorapro::torch_adapter::LoraProAdamW;
using lorapro::torch_adapter::LoraProAdamWParamState;
using lorapro::torch_adapter::Moments;
using lorapro::torch_adapter::StepPath;
using Options = lorapro::torch_adapter::LoraProAdamWOptions;
using Group = torch::optim::OptimizerParamGroup;
using support::deviation;
using support::leaf;
using torch::Tensor;

/// Pairs of several shapes and two parameters without factors, with one loss over all of them.
struct Model {
  struct Target {
    Tensor W, x;
  };
  std::vector<LoraPair> pairs;
  std::vector<Target> targets;
  Tensor bias, head;

  Model(torch::ScalarType type, std::uint64_t seed, double deviation_B = 0.5) {
    torch::manual_seed(seed);
    const std::int64_t shapes[][3] = {{14, 23, 3}, {20, 9, 4}, {6, 6, 6}, {7, 12, 1}};
    double scaling = 0.5;
    for (const auto& [m, n, r] : shapes) {
      pairs.push_back({leaf({r, n}, type), leaf({m, r}, type, deviation_B), scaling *= 1.6});
      targets.push_back({torch::randn({m, n}, torch::kDouble).to(type),
                         torch::randn({30, n}, torch::kDouble).to(type)});
    }
    bias = leaf({11}, type);
    head = leaf({5, 4}, type);
  }

  std::vector<Tensor> others() const { return {bias, head}; }
  std::vector<Tensor> all() const {
    std::vector<Tensor> result = others();
    for (const LoraPair& pair : pairs) {
      result.push_back(pair.lora_A);
      result.push_back(pair.lora_B);
    }
    return result;
  }

  Tensor loss() const {
    Tensor sum = (bias.square().sum() + (head * head * head).sum() * 0.1).to(torch::kDouble);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const LoraPair& pair = pairs[i];
      const Tensor& x = targets[i].x;
      const Tensor y = x.mm(pair.lora_A.t()).mm(pair.lora_B.t()) * pair.scaling;
      sum = sum + (y - x.mm(targets[i].W.t())).square().mean().to(torch::kDouble);
    }
    return sum;
  }

  LoraProAdamW optimizer(const Options& options) const {
    return LoraProAdamW({Group(all())}, pairs, options);
  }

  /// Gradients in fresh memory, as after zero_grad(set_to_none).
  void backward() const {
    for (Tensor parameter : all()) parameter.mutable_grad().reset();
    loss().backward();
  }

  void train(LoraProAdamW& optimizer, int steps) const {
    for (int step = 0; step < steps; ++step) {
      backward();
      optimizer.step();
    }
  }

  double deviation_from(const Model& other) const {
    double worst = 0;
    for (std::size_t i = 0; i < all().size(); ++i)
      worst = std::max(worst, deviation(all()[i].detach(), other.all()[i].detach()));
    return worst;
  }
  bool same_bits(const Model& other) const {
    bool same = true;
    for (std::size_t i = 0; i < all().size(); ++i)
      same = same && torch::equal(all()[i], other.all()[i]);
    return same;
  }
};

Options options_for(Moments moments) {
  Options options(0.01);
  options.moments(moments);
  if (moments == Moments::spectral) options.betas(std::make_tuple(0.95, 0.999));
  return options;
}

LoraProAdamWParamState state_of(LoraProAdamW& optimizer, const Tensor& parameter) {
  auto* const state = lorapro::torch_adapter::detail::find_state(optimizer.state(), parameter);
  REQUIRE(state != nullptr);
  return *state;
}

/// Ten steps of a layer of the library.
template <typename Scalar, typename Rule>
void train_layer(lorapro::LoraLayer<Scalar>& layer, const lorapro::OptimizerConfig& config,
                 const lorapro::RowMatrix<Scalar>& x, const lorapro::RowMatrix<Scalar>& target) {
  lorapro::LoraProOptimizer<Scalar, Rule> optimizer(config);
  optimizer.attach(layer);
  lorapro::RowMatrix<Scalar> y(x.rows(), target.cols()), grad_y;
  for (int step = 0; step < 10; ++step) {
    layer.forward(x, y);
    grad_y = (y - target) * (Scalar(2) / static_cast<Scalar>(y.size()));
    layer.backward(x, grad_y);
    REQUIRE(optimizer.step().updated == 1);
    optimizer.zero_grad();
  }
}

template <typename Scalar>
void compare_with_layer(Moments moments, double weight_decay, double tolerance) {
  using Matrix = lorapro::RowMatrix<Scalar>;
  constexpr Index kOut = 19, kIn = 27, kRank = 4, kBatch = 32;
  std::srand(3);
  const Matrix W0 = Matrix::Random(kOut, kIn), x = Matrix::Random(kBatch, kIn);
  const Matrix target = Matrix::Random(kBatch, kOut);
  lorapro::LoraConfig lora;
  lora.rank = kRank;
  lora.lora_alpha = 6;
  lora.seed = 5;
  lorapro::LoraLayer<Scalar> layer(lorapro::BaseWeight<Scalar>::own(W0), lora);
  const auto type = torch::CppTypeToScalarType<Scalar>::value;
  const auto tensor = [&](const auto& matrix) {
    const Matrix copy = matrix;
    return torch::from_blob(const_cast<Scalar*>(copy.data()), {copy.rows(), copy.cols()}, type)
        .clone();
  };
  const Tensor weight = tensor(W0), input = tensor(x), wanted = tensor(target);
  const Tensor A = tensor(layer.lora_A()).set_requires_grad(true);
  const Tensor B = tensor(layer.lora_B()).set_requires_grad(true);

  const Options options = options_for(moments).weight_decay(weight_decay);
  LoraProAdamW optimizer({LoraPair{A, B, lora.scaling()}}, options);
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    const Tensor y = input.mm(weight.t()) + input.mm(A.t()).mm(B.t()) * lora.scaling();
    (y - wanted).square().mean().backward();
    optimizer.step();
    REQUIRE(optimizer.report().updated == 1);
  }
  const lorapro::OptimizerConfig config = options.config();
  if (moments == Moments::full)
    train_layer<Scalar, lorapro::FullMoments<Scalar>>(layer, config, x, target);
  if (moments == Moments::adapter)
    train_layer<Scalar, lorapro::AdapterMoments>(layer, config, x, target);
  if (moments == Moments::spectral)
    train_layer<Scalar, lorapro::SpectralMoments>(layer, config, x, target);
  CHECK(deviation(A.detach(), tensor(layer.lora_A())) < tolerance);
  CHECK(deviation(B.detach(), tensor(layer.lora_B())) < tolerance);
}

TEST_CASE("ten steps are those of a layer of the library", "[torch_optimizer]") {
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  const double weight_decay = GENERATE(0.0, 0.3);
  CAPTURE(static_cast<int>(moments), weight_decay);
  // Spectral from B = 0: singular values at the cutoff, of which squaring has left six digits.
  compare_with_layer<double>(moments, weight_decay, moments == Moments::spectral ? 1e-5 : 1e-10);
  compare_with_layer<float>(moments, weight_decay, 2e-3);
}

TEST_CASE("both paths agree", "[torch_optimizer]") {
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  const auto gauge = GENERATE(Gauge::sylvester, Gauge::balanced, Gauge::zero);
  const double damping = GENERATE(0.0, 0.1);
  CAPTURE(static_cast<int>(moments), static_cast<int>(gauge), damping);
  Options options = options_for(moments).gauge(gauge).damping(damping).weight_decay(0.2);
  // dB of a pair of full rank is 0 but for rounding in the zero gauge, which eps has to drown.
  options.loraplus_lr_ratio(2.0).eps(1e-4);
  Model mapped(torch::kDouble, 11), tensor(torch::kDouble, 11);
  LoraProAdamW by_map = mapped.optimizer(options);
  mapped.train(by_map, 10);
  LoraProAdamW by_tensor = tensor.optimizer(options.path(StepPath::tensor));
  tensor.train(by_tensor, 10);
  CHECK(by_map.report().updated == 6);
  CHECK(by_tensor.report().updated == 6);
  CHECK(mapped.deviation_from(tensor) < 1e-8);
  // And the options made a difference.
  Model other(torch::kDouble, 11);
  LoraProAdamW plain = other.optimizer(options_for(moments).damping(0.05));
  other.train(plain, 10);
  CHECK(mapped.deviation_from(other) > 1e-4);
}

TEST_CASE("both paths agree from B = 0, and say that the rank is lost", "[torch_optimizer]") {
  const auto moments = GENERATE(Moments::full, Moments::adapter);
  Model mapped(torch::kDouble, 12, 0.0), tensor(torch::kDouble, 12, 0.0);
  LoraProAdamW by_map = mapped.optimizer(options_for(moments));
  LoraProAdamW by_tensor = tensor.optimizer(options_for(moments).path(StepPath::tensor));
  mapped.train(by_map, 1);
  tensor.train(by_tensor, 1);
  CHECK(by_map.report().rank_deficient == 4);
  CHECK(by_tensor.report().rank_deficient == 4);
  mapped.train(by_map, 9);
  tensor.train(by_tensor, 9);
  CHECK(mapped.deviation_from(tensor) < 1e-8);
}

TEST_CASE("both paths clip to one norm", "[torch_optimizer]") {
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  const auto norm = GENERATE(lorapro::ClipNorm::equivalent_gradient, lorapro::ClipNorm::adapter);
  const Options options = options_for(moments).max_grad_norm(0.3).clip_norm(norm);
  Model mapped(torch::kDouble, 13), tensor(torch::kDouble, 13);
  LoraProAdamW by_map = mapped.optimizer(options);
  LoraProAdamW by_tensor = tensor.optimizer(Options(options).path(StepPath::tensor));
  mapped.train(by_map, 5);
  tensor.train(by_tensor, 5);
  CHECK(by_map.report().clip_factor < 1);
  CHECK(by_tensor.report().clip_factor == Approx(by_map.report().clip_factor).epsilon(1e-9));
  CHECK(by_tensor.report().grad_norm == Approx(by_map.report().grad_norm).epsilon(1e-9));
  CHECK(mapped.deviation_from(tensor) < 1e-8);
}

TEST_CASE("float, bfloat16 and half are stepped in place, with masters where they store less",
          "[torch_optimizer]") {
  const auto type = GENERATE(torch::kFloat, torch::kBFloat16, torch::kHalf);
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  CAPTURE(type, static_cast<int>(moments));
  torch::manual_seed(17);
  const Tensor A = leaf({3, 16}, type), B = leaf({12, 3}, type), head = leaf({9}, type);
  const void* const at = A.data_ptr();
  const Tensor A_twin = A.detach().clone().set_requires_grad(true);
  const Tensor B_twin = B.detach().clone().set_requires_grad(true);
  const Tensor head_twin = head.detach().clone().set_requires_grad(true);
  const Options options = options_for(moments);
  LoraProAdamW mapped({Group(std::vector<Tensor>{A, B, head})}, {LoraPair{A, B, 2.0}}, options);
  LoraProAdamW tensor({Group(std::vector<Tensor>{A_twin, B_twin, head_twin})},
                      {LoraPair{A_twin, B_twin, 2.0}}, Options(options).path(StepPath::tensor));
  for (int step = 0; step < 6; ++step) {
    const Tensor grad_A = torch::randn({3, 16}).to(type), grad_B = torch::randn({12, 3}).to(type);
    const Tensor grad_head = torch::randn({9}).to(type);
    for (const Tensor& parameter : {A, A_twin}) parameter.mutable_grad() = grad_A.clone();
    for (const Tensor& parameter : {B, B_twin}) parameter.mutable_grad() = grad_B.clone();
    for (const Tensor& parameter : {head, head_twin}) parameter.mutable_grad() = grad_head.clone();
    const auto version = A._version();
    mapped.step();
    tensor.step();
    CHECK(A._version() > version);  // autograd is told
  }
  CHECK(A.data_ptr() == at);
  CHECK(mapped.report().updated == 2);
  const double rounding = type == torch::kFloat ? 1e-4 : type == torch::kHalf ? 2e-3 : 1e-2;
  CHECK(deviation(A.detach(), A_twin.detach()) < rounding);
  CHECK(deviation(B.detach(), B_twin.detach()) < rounding);
  CHECK(deviation(head.detach(), head_twin.detach()) < rounding);
  if (type == torch::kFloat) {
    CHECK(!state_of(mapped, A).master().defined());
    return;
  }
  const Tensor master = state_of(mapped, A).master();
  CHECK(master.scalar_type() == torch::kFloat);
  CHECK(torch::equal(master.to(type), A.detach()));
  CHECK(deviation(master, state_of(tensor, A_twin).master()) < 2e-3);
  CHECK(deviation(state_of(mapped, head).master(), state_of(tensor, head_twin).master()) < 1e-5);
  {
    // What is written from outside is followed, by either path.
    const torch::NoGradGuard no_grad;
    for (const Tensor& parameter : {A, A_twin}) Tensor(parameter).fill_(7);
  }
  for (const auto* const parameter : {&A, &B, &A_twin, &B_twin}) parameter->grad().zero_();
  mapped.step();
  tensor.step();
  CHECK(deviation(A.detach(), torch::full_like(A, 7).detach()) < 0.02);
  CHECK(deviation(A_twin.detach(), torch::full_like(A, 7).detach()) < 0.02);
}

TEST_CASE("a resumed training has the bits of one that was not interrupted", "[torch_optimizer]") {
  const auto type = GENERATE(torch::kFloat, torch::kDouble, torch::kBFloat16);
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  CAPTURE(type, static_cast<int>(moments), static_cast<int>(path));
  const Options options = options_for(moments).weight_decay(0.1).path(path);
  Model whole(type, 21), broken(type, 21);
  LoraProAdamW uninterrupted = whole.optimizer(options);
  whole.train(uninterrupted, 6);

  std::stringstream file;
  {
    LoraProAdamW first = broken.optimizer(options);
    broken.train(first, 3);
    torch::save(first, file);
  }
  // Other options, which the archive's replace; and in one case another training before it.
  LoraProAdamW second = broken.optimizer(Options(0.5).moments(moments).path(path));
  SECTION("into a new optimizer") {}
  SECTION("into one that has been used") {
    std::vector<Tensor> kept;
    for (const Tensor& parameter : broken.all()) kept.push_back(parameter.detach().clone());
    broken.train(second, 2);
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < kept.size(); ++i) broken.all()[i].copy_(kept[i]);
  }
  torch::load(second, file);
  CHECK(static_cast<Options&>(second.param_groups()[0].options()).lr() == 0.01);
  CHECK(state_of(second, broken.pairs[1].lora_A).step() == 3);
  broken.train(second, 3);
  CHECK(state_of(second, broken.pairs[1].lora_B).step() == 6);
  CHECK(whole.same_bits(broken));
}

TEST_CASE("states go from one path to the other", "[torch_optimizer]") {
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  const auto from = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto to = from == StepPath::tensor ? StepPath::automatic : StepPath::tensor;
  Model whole(torch::kDouble, 22), moved(torch::kDouble, 22);
  LoraProAdamW one = whole.optimizer(options_for(moments).path(from));
  whole.train(one, 8);
  LoraProAdamW first = moved.optimizer(options_for(moments).path(from));
  moved.train(first, 4);
  std::stringstream file;
  torch::save(first, file);
  LoraProAdamW second = moved.optimizer(options_for(moments).path(to));
  torch::load(second, file);
  moved.train(second, 4);
  CHECK(whole.deviation_from(moved) < 1e-8);
}

TEST_CASE("states have the shapes that their type tells", "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  Model model(torch::kFloat, 23);
  const Tensor &A = model.pairs[0].lora_A, &B = model.pairs[0].lora_B;
  const auto shape = [](const Tensor& tensor) {
    return tensor.defined() ? tensor.sizes().vec() : std::vector<std::int64_t>{};
  };
  using Shape = std::vector<std::int64_t>;
  for (const Moments moments : {Moments::full, Moments::adapter, Moments::spectral}) {
    CAPTURE(static_cast<int>(moments));
    LoraProAdamW optimizer = model.optimizer(options_for(moments).path(path));
    model.train(optimizer, 2);
    auto a = state_of(optimizer, A), b = state_of(optimizer, B),
         bias = state_of(optimizer, model.head);
    CHECK(a.step() == 2);
    CHECK(b.step() == 2);
    CHECK(shape(bias.exp_avg_sq()) == Shape{5, 4});
    const bool full = moments == Moments::full, adapter = moments == Moments::adapter;
    CHECK(shape(a.exp_avg()) == (full ? Shape{14, 23} : Shape{3, 23}));
    CHECK(shape(b.exp_avg()) == (full ? Shape{} : Shape{14, 3}));
    CHECK(shape(a.exp_avg_sq()) == (full ? Shape{14, 23} : adapter ? Shape{3, 23} : Shape{}));
    CHECK(shape(b.exp_avg_sq()) == (adapter ? Shape{14, 3} : Shape{}));
  }
}

TEST_CASE("parameters without factors are stepped as by torch::optim::AdamW, group by group",
          "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  torch::manual_seed(31);
  std::vector<Tensor> ours, theirs;
  for (int i = 0; i < 2; ++i) {
    // One is not in the order of its rows.
    Tensor value = torch::randn({5, 7}, torch::kDouble);
    if (i == 1) value = value.t();
    ours.push_back(value.clone(torch::MemoryFormat::Preserve).set_requires_grad(true));
    theirs.push_back(value.clone().set_requires_grad(true));
  }
  const auto groups = [](const std::vector<Tensor>& parameters, auto options) {
    using AnyOptions = decltype(options);
    std::vector<Group> result;
    result.emplace_back(std::vector<Tensor>{parameters[0]});
    result.emplace_back(std::vector<Tensor>{parameters[1]},
                        std::make_unique<AnyOptions>(AnyOptions(0.03).weight_decay(0.2).eps(1e-3)));
    return result;
  };
  LoraProAdamW optimizer(groups(ours, Options()), std::vector<LoraPair>(),
                         Options(0.1).path(path).weight_decay(0.01));
  if (path == StepPath::tensor)
    static_cast<Options&>(optimizer.param_groups()[1].options()).path(path);
  torch::optim::AdamW reference(groups(theirs, torch::optim::AdamWOptions()),
                                torch::optim::AdamWOptions(0.1).weight_decay(0.01));
  torch::optim::StepLR schedule(optimizer, 2, 0.5), reference_schedule(reference, 2, 0.5);
  for (int step = 0; step < 7; ++step) {
    for (int i = 0; i < 2; ++i) {
      const Tensor grad = torch::randn_like(theirs[i]);
      ours[i].mutable_grad() = step % 2 == 0 ? grad : grad.t().contiguous().t();
      theirs[i].mutable_grad() = grad.clone();
    }
    optimizer.step();
    reference.step();
    schedule.step();
    reference_schedule.step();
  }
  for (int i = 0; i < 2; ++i) CHECK(deviation(ours[i].detach(), theirs[i].detach()) < 1e-12);
}

TEST_CASE("rates of the groups are read at every step", "[torch_optimizer]") {
  Model model(torch::kFloat, 32), twin(torch::kFloat, 32);
  LoraProAdamW optimizer = model.optimizer(Options(0.01)), other = twin.optimizer(Options(0.01));
  model.train(optimizer, 2);
  twin.train(other, 2);
  optimizer.param_groups()[0].options().set_lr(0);
  model.train(optimizer, 1);
  CHECK(model.same_bits(twin));
  CHECK(optimizer.param_groups()[0].options().get_lr() == 0);
  optimizer.param_groups()[0].options().set_lr(0.01);
  model.train(optimizer, 1);
  CHECK(!model.same_bits(twin));
}

TEST_CASE("a closure computes the loss with gradients on", "[torch_optimizer]") {
  Model model(torch::kDouble, 33), twin(torch::kDouble, 33);
  LoraProAdamW optimizer = model.optimizer(Options(0.01)), other = twin.optimizer(Options(0.01));
  twin.train(other, 3);
  Tensor loss;
  for (int step = 0; step < 3; ++step)
    loss = optimizer.step([&] {
      optimizer.zero_grad();
      const Tensor result = model.loss();
      result.backward();
      return result;
    });
  CHECK(model.same_bits(twin));
  CHECK(loss.item<double>() > model.loss().item<double>());
  CHECK(!optimizer.step().defined());
}

TEST_CASE("what has no gradient is passed by", "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  CAPTURE(static_cast<int>(path), static_cast<int>(moments));
  const Options options = options_for(moments).path(path);
  Model model(torch::kDouble, 41), twin(torch::kDouble, 41);
  LoraProAdamW optimizer = model.optimizer(options), other = twin.optimizer(options);
  const auto drop = [&](std::size_t pair) {
    Tensor(model.pairs[pair].lora_A).mutable_grad().reset();
    Tensor(model.pairs[pair].lora_B).mutable_grad().reset();
  };
  // Pair 0 misses the first step and the third, and `head` the second.
  for (int step = 0; step < 4; ++step) {
    model.backward();
    if (step == 0 || step == 2) drop(0);
    if (step == 1) model.head.mutable_grad().reset();
    const Tensor A = model.pairs[0].lora_A.detach().clone(), head = model.head.detach().clone();
    optimizer.step();
    CHECK(optimizer.report().without_gradient == (step == 3 ? 0 : 1));
    CHECK(optimizer.report().updated == (step == 3 ? 6 : 5));
    CHECK(torch::equal(A, model.pairs[0].lora_A.detach()) == (step == 0 || step == 2));
    CHECK(torch::equal(head, model.head.detach()) == (step == 1));
  }
  CHECK(state_of(optimizer, model.pairs[0].lora_A).step() == 2);
  CHECK(state_of(optimizer, model.pairs[1].lora_A).step() == 4);
  // Items do not see each other: each is as after as many steps of its own.
  twin.train(other, 2);
  CHECK(torch::equal(twin.pairs[0].lora_A, model.pairs[0].lora_A));
  CHECK(torch::equal(twin.pairs[0].lora_B, model.pairs[0].lora_B));
  twin.train(other, 1);
  CHECK(torch::equal(twin.head, model.head));
  twin.train(other, 1);
  CHECK(torch::equal(twin.pairs[1].lora_A, model.pairs[1].lora_A));
}

TEST_CASE("one gradient of a pair is an error before anything is written", "[torch_optimizer]") {
  Model model(torch::kDouble, 42), twin(torch::kDouble, 42);
  LoraProAdamW optimizer = model.optimizer(Options(0.01));
  model.backward();
  Tensor(model.pairs[2].lora_B).mutable_grad().reset();
  const auto message = message_of<StateError>([&] { optimizer.step(); });
  CHECK_THAT(message, contains_text("lora_B of pair 4 of group 0: expected a gradient"));
  CHECK(model.same_bits(twin));
}

TEST_CASE("a gradient that is not finite leaves its parameters as they are", "[torch_optimizer]") {
  const auto path = GENERATE(StepPath::automatic, StepPath::tensor);
  const auto moments = GENERATE(Moments::full, Moments::adapter, Moments::spectral);
  Model model(torch::kFloat, 43);
  LoraProAdamW optimizer = model.optimizer(options_for(moments).path(path));
  model.train(optimizer, 2);
  model.backward();
  model.pairs[1].lora_B.grad()[3][1] = NAN;
  model.bias.grad()[4] = INFINITY;
  std::vector<Tensor> kept;
  for (const Tensor& parameter : model.all()) kept.push_back(parameter.detach().clone());
  const Tensor moment = state_of(optimizer, model.pairs[1].lora_A).exp_avg().clone();
  optimizer.step();
  CHECK(optimizer.report().skipped_non_finite == 2);
  CHECK(optimizer.report().updated == 4);
  // In the order of all(): bias, head, then the factors.
  for (std::size_t i = 0; i < kept.size(); ++i)
    CHECK(torch::equal(kept[i], model.all()[i].detach()) == (i == 0 || i == 4 || i == 5));
  CHECK(torch::equal(moment, state_of(optimizer, model.pairs[1].lora_A).exp_avg()));
  CHECK(state_of(optimizer, model.pairs[1].lora_A).step() == 2);
  CHECK(state_of(optimizer, model.pairs[0].lora_A).step() == 3);
}

TEST_CASE("strides, expanded gradients and gradients that stay are all read as they are",
          "[torch_optimizer]") {
  torch::manual_seed(51);
  const Tensor plain_A = leaf({3, 10}, torch::kFloat), plain_B = leaf({8, 3}, torch::kFloat);
  const Tensor A = plain_A.detach().t().contiguous().t().set_requires_grad(true);
  const Tensor B = plain_B.detach().clone().set_requires_grad(true);
  REQUIRE(!A.is_contiguous());
  LoraProAdamW strided({LoraPair{A, B, 2.0}}), reference({LoraPair{plain_A, plain_B, 2.0}});
  for (int step = 0; step < 4; ++step) {
    const Tensor row = torch::randn({1, 10});
    A.mutable_grad() = row.expand({3, 10});
    B.mutable_grad() = torch::randn({3, 8}).t();
    if (!plain_A.grad().defined()) {
      plain_A.mutable_grad() = torch::empty({3, 10});
      plain_B.mutable_grad() = torch::empty({8, 3});
    }
    plain_A.grad().copy_(row.expand({3, 10}));
    plain_B.grad().copy_(B.grad());
    strided.step();
    reference.step();
  }
  CHECK(deviation(A.detach(), plain_A.detach()) < 1e-5);
  CHECK(deviation(B.detach(), plain_B.detach()) < 1e-5);
}

TEST_CASE("a parameter that moves is followed, and one that changes type is refused",
          "[torch_optimizer]") {
  Model model(torch::kDouble, 52), twin(torch::kDouble, 52);
  LoraProAdamW optimizer = model.optimizer(Options(0.01)), other = twin.optimizer(Options(0.01));
  twin.train(other, 4);
  model.train(optimizer, 2);
  for (Tensor parameter : model.all()) parameter.set_data(parameter.detach().clone());
  model.train(optimizer, 2);
  CHECK(model.same_bits(twin));
  Tensor(model.pairs[0].lora_A).mutable_grad().reset();
  Tensor(model.pairs[0].lora_B).mutable_grad().reset();
  Tensor(model.pairs[0].lora_A).set_data(model.pairs[0].lora_A.detach().to(torch::kFloat));
  CHECK_THAT(message_of<StateError>([&] { optimizer.step(); }),
             contains_text("make the optimizer after to()"));
}

TEST_CASE("parameters may join later", "[torch_optimizer]") {
  Model model(torch::kFloat, 53);
  LoraProAdamW optimizer({model.pairs[0], model.pairs[1]}, Options(0.01));
  model.train(optimizer, 1);
  CHECK(optimizer.report().updated == 2);
  optimizer.add_param_group(
      Group({model.pairs[2].lora_A, model.pairs[2].lora_B, model.bias},
            std::make_unique<Options>(Options(0.02).moments(Moments::adapter))),
      {model.pairs[2]});
  model.train(optimizer, 1);
  CHECK(optimizer.report().updated == 4);
  CHECK(optimizer.param_groups()[1].options().get_lr() == 0.02);
  CHECK(state_of(optimizer, model.pairs[2].lora_B).exp_avg().sizes() ==
        model.pairs[2].lora_B.sizes());
}

TEST_CASE("what does not fit is refused by name", "[torch_optimizer]") {
  torch::manual_seed(61);
  const Tensor A = leaf({3, 10}, torch::kFloat), B = leaf({8, 3}, torch::kFloat);
  const auto pair_message = [](const Tensor& a, const Tensor& b, double scaling = 1) {
    return message_of<lorapro::Error>([&] { LoraProAdamW({LoraPair{a, b, scaling}}); });
  };
  CHECK_THAT(pair_message(A, leaf({8, 2}, torch::kFloat)),
             contains_text("lora_B: expected (out_features, 3) beside lora_A (3, 10), got (8, 2)"));
  CHECK_THAT(pair_message(A, {}), contains_text("lora_B: expected a matrix, got no tensor"));
  CHECK_THAT(pair_message(leaf({3}, torch::kFloat), B),
             contains_text("lora_A: expected a matrix, got shape (3)"));
  CHECK_THAT(pair_message(A.detach(), B), contains_text("lora_A: expected a leaf"));
  CHECK_THAT(pair_message(A, leaf({8, 3}, torch::kDouble)),
             contains_text("lora_B: expected the type and device of lora_A"));
  CHECK_THAT(pair_message(A, B, 0),
             contains_text("scaling: expected a finite number other than 0"));

  const std::vector<LoraPair> pairs{{A, B, 1.0}};
  const auto options_message = [&](const Options& options) {
    return message_of<ConfigError>([&] { LoraProAdamW(pairs, options); });
  };
  CHECK_THAT(options_message(Options(-1)), contains_text("lr: expected"));
  CHECK_THAT(options_message(Options().betas(std::make_tuple(0.9, 1.0))), contains_text("beta2"));
  CHECK_THAT(options_message(Options().max_grad_norm(-1)), contains_text("max_grad_norm"));
  CHECK_THAT(options_message(Options(1.0).weight_decay(2)), contains_text("weight_decay"));
  CHECK_THAT(options_message(Options().damping(-1)), contains_text("damping"));

  const auto group_message = [&](std::vector<Group> groups, std::vector<LoraPair> of) {
    return message_of<lorapro::Error>([&] { LoraProAdamW(groups, of); });
  };
  CHECK(group_message({Group(std::vector<Tensor>{A})}, pairs) ==
        "pair 0, lora_A (3, 10): expected both factors in one group, got lora_A in group 0 and "
        "lora_B in no group");
  const std::vector<LoraPair> named{{A, B, 1.0, "blocks.0.query"}};
  CHECK(group_message({Group(std::vector<Tensor>{A}), Group(std::vector<Tensor>{B})}, named) ==
        "pair blocks.0.query: expected both factors in one group, got lora_A in group 0 and "
        "lora_B in group 1");
  CHECK(group_message({Group(std::vector<Tensor>{B})}, named) ==
        "pair blocks.0.query: expected both factors in one group, got lora_A in no group");
  CHECK_THAT(group_message({Group(std::vector<Tensor>{A, B, A})}, pairs),
             contains_text("expected each one once"));
  CHECK_THAT(group_message({}, pairs), contains_text("got lora_A in no group"));
  CHECK_THAT(group_message({Group(std::vector<Tensor>{A, B})}, {pairs[0], pairs[0]}),
             contains_text("expected every factor once"));
  CHECK_THAT(group_message({Group({A, B}, std::make_unique<torch::optim::SGDOptions>(0.1))}, pairs),
             contains_text("options: expected LoraProAdamWOptions"));

  // A bad option that a scheduler or a user has set later: before anything is written.
  LoraProAdamW optimizer(pairs);
  (A.sum() + B.sum()).backward();
  const Tensor before = A.detach().clone();
  optimizer.param_groups()[0].options().set_lr(NAN);
  CHECK_THAT(message_of<ConfigError>([&] { optimizer.step(); }), contains_text("lr: expected"));
  CHECK(torch::equal(before, A.detach()));

  const Tensor wide = leaf({4}, torch::kDouble);
  LoraProAdamW mixed({Group(std::vector<Tensor>{A, B, wide})}, pairs, Options().max_grad_norm(1));
  wide.sum().backward();
  CHECK_THAT(message_of<ConfigError>([&] { mixed.step(); }),
             contains_text("max_grad_norm: expected a group that is stepped in one way"));
}

TEST_CASE("an archive of another training is refused and changes nothing", "[torch_optimizer]") {
  Model model(torch::kFloat, 62);
  LoraProAdamW optimizer = model.optimizer(options_for(Moments::full));
  model.train(optimizer, 2);
  const auto message = [&](LoraProAdamW& into, auto& from) {
    std::stringstream file;
    torch::save(from, file);
    return message_of<lorapro::Error>([&] { torch::load(into, file); });
  };
  const Tensor moment = state_of(optimizer, model.pairs[0].lora_A).exp_avg().clone();
  LoraProAdamW adapter = model.optimizer(options_for(Moments::adapter));
  CHECK_THAT(message(optimizer, adapter), contains_text("expected the moments of the optimizer"));
  LoraProAdamW fewer({model.pairs[0]});
  CHECK_THAT(message(optimizer, fewer), contains_text("expected the pairs and parameters"));
  LoraProAdamW groups(
      {Group(model.others()), Group({model.pairs[0].lora_A, model.pairs[0].lora_B})},
      {model.pairs[0]});
  CHECK_THAT(message(optimizer, groups), contains_text("expected 1 parameter groups, got 2"));
  torch::optim::AdamW theirs(model.all(), torch::optim::AdamWOptions());
  CHECK_THAT(message(optimizer, theirs), contains_text("expected one of LoraProAdamW"));
  const Tensor A = leaf({2, 5}, torch::kFloat), B = leaf({4, 2}, torch::kFloat);
  const Tensor C = leaf({2, 6}, torch::kFloat), D = leaf({4, 2}, torch::kFloat);
  LoraProAdamW small({LoraPair{A, B, 1.0}}), large({LoraPair{C, D, 1.0}});
  (A.sum() + B.sum()).backward();
  small.step();
  CHECK_THAT(message(large, small), contains_text("state/0/0.exp_avg: expected"));
  CHECK(torch::equal(moment, state_of(optimizer, model.pairs[0].lora_A).exp_avg()));
  CHECK(state_of(optimizer, model.pairs[0].lora_A).step() == 2);
}

}  // namespace
