// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "projection.hpp"

#include <lorapro/layer/int8_weight.hpp>
#include <lorapro/layer/nf4_weight.hpp>

#include "model_vector.hpp"

namespace examples::llm {
namespace {

using lorapro::bfloat16;
using lorapro::make_view;

/// A tensor in which quantisation looks up one number after the other: some rows of it are in
/// memory at a time.
class TensorRows {
 public:
  TensorRows(const ModelTensors& tensors, const std::string& name, Index rows, Index cols)
      : tensors_(tensors), name_(name), rows_(rows), cols_(cols) {}

  float at(Index row, Index col) {
    if (row < first_ || row >= first_ + count_) {
      first_ = row;
      count_ = std::min(kRows, rows_ - row);
      block_.reserve(kRows * cols_);
      tensors_.read(name_, first_, count_, block_.data());
    }
    return block_[(row - first_) * cols_ + col];
  }

  auto matrix() {
    return lorapro::RowMatrix<float>::NullaryExpr(
        rows_, cols_, [this](Index row, Index col) { return at(row, col); });
  }

 private:
  static constexpr Index kRows = 64;

  const ModelTensors& tensors_;
  const std::string& name_;
  Index rows_, cols_;
  Index first_ = 0, count_ = 0;
  lorapro::Buffer<float> block_;
};

template <typename Weight>
Weight load_weight(const ModelTensors& tensors, const std::string& name) {
  const ModelTensors::Shape& shape = tensors.shapes().at(name);
  if constexpr (std::is_same_v<Weight, lorapro::BaseWeight<bfloat16>>) {
    if (const bfloat16* const mapped = tensors.mapped(name))
      return Weight::map(mapped, shape[0], shape[1]);
  }
  TensorRows rows(tensors, name, shape[0], shape[1]);
  try {
    Weight weight = Weight::quantize(rows.matrix());
    tensors.forget(name);
    return weight;
  } catch (const lorapro::ConfigError& error) {
    throw lorapro::FormatError(tensors.place() + ": tensor " +
                               lorapro::io::detail::quoted_name(name) + ": " + error.what());
  }
}

template <typename Weight, typename Scalar>
void read_weight_row(const Weight& weight, Index row, Scalar* out) {
  weight.decode(row, 1, 0, weight.in_features(), out, weight.in_features());
}

template <typename Scalar, typename Weight>
class FrozenProjection final : public Projection<Scalar> {
 public:
  FrozenProjection(Weight weight, lorapro::Buffer<Scalar> bias)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  Index out_features() const override { return weight_.out_features(); }
  Index in_features() const override { return weight_.in_features(); }
  std::size_t base_bytes() const override { return weight_.bytes(); }
  void set_threads(int threads) override { threads_ = threads; }

  void forward(const ConstRows<Scalar>& x, Rows<Scalar> y) override {
    lorapro::TiledProduct<Scalar>::assign(make_view(x),
                                          lorapro::TransposedWeightTiles<Scalar, Weight>(weight_),
                                          make_view(y), threads_);
    if (bias_.size() > 0)
      y.rowwise() +=
          Eigen::Map<const Eigen::Matrix<Scalar, 1, Eigen::Dynamic>>(bias_.data(), bias_.size());
  }
  void backward(const ConstRows<Scalar>&, const ConstRows<Scalar>& grad_y,
                Rows<Scalar> grad_x) override {
    lorapro::TiledProduct<Scalar>::assign(make_view(grad_y),
                                          lorapro::WeightTiles<Scalar, Weight>(weight_),
                                          make_view(grad_x), threads_);
  }
  void backward(const ConstRows<Scalar>&, const ConstRows<Scalar>&) override {}

  void read_row(Index row, Scalar* out) const override { read_weight_row(weight_, row, out); }

 private:
  Weight weight_;
  lorapro::Buffer<Scalar> bias_;
  int threads_ = 1;
};

template <typename Scalar, typename Base>
class AdaptedProjection final : public Projection<Scalar>, public LoraPair<Scalar> {
 public:
  using Layer = lorapro::LoraLayer<Scalar, Base>;

  AdaptedProjection(typename Layer::Weight weight, lorapro::Buffer<Scalar> bias,
                    const lorapro::LoraConfig& lora)
      : bias_(std::move(bias)), layer_(std::move(weight), lora, bias_.data()) {}

  Index out_features() const override { return layer_.out_features(); }
  Index in_features() const override { return layer_.in_features(); }
  std::size_t base_bytes() const override { return layer_.base_bytes(); }
  void set_threads(int threads) override { layer_.set_threads(threads); }
  LoraPair<Scalar>* pair() override { return this; }

  void forward(const ConstRows<Scalar>& x, Rows<Scalar> y) override { layer_.forward(x, y); }
  void backward(const ConstRows<Scalar>& x, const ConstRows<Scalar>& grad_y,
                Rows<Scalar> grad_x) override {
    layer_.backward(x, grad_y, grad_x);
  }
  void backward(const ConstRows<Scalar>& x, const ConstRows<Scalar>& grad_y) override {
    layer_.backward(x, grad_y);
  }
  void read_row(Index row, Scalar* out) const override {
    read_weight_row(layer_.base_weight(), row, out);
  }

  const lorapro::LoraConfig& config() const override { return layer_.config(); }
  Rows<Scalar> lora_A() override { return layer_.lora_A(); }
  Rows<Scalar> lora_B() override { return layer_.lora_B(); }
  Rows<Scalar> grad_A() override { return layer_.grad_A(); }
  Rows<Scalar> grad_B() override { return layer_.grad_B(); }
  lorapro::io::AdapterModule module(const std::string& path) const override {
    return lorapro::io::adapter_module(path, layer_);
  }
  void set_training(bool training) override { layer_.set_training(training); }
  void set_dropout_masks(std::uint64_t masks) override { layer_.set_dropout_masks(masks); }

 private:
  lorapro::Buffer<Scalar> bias_;
  Layer layer_;
};

template <typename Scalar, typename Base>
std::unique_ptr<Projection<Scalar>> make_with_base(const ModelTensors& tensors,
                                                   const std::string& name,
                                                   const std::optional<lorapro::LoraConfig>& lora) {
  using Weight = typename lorapro::LoraLayer<Scalar, Base>::Weight;
  auto weight = load_weight<Weight>(tensors, name + ".weight");
  lorapro::Buffer<Scalar> bias;
  if (tensors.shapes().count(name + ".bias") > 0)
    bias = read_vector<Scalar>(tensors, name + ".bias");
  if (lora)
    return std::make_unique<AdaptedProjection<Scalar, Base>>(std::move(weight), std::move(bias),
                                                             *lora);
  return std::make_unique<FrozenProjection<Scalar, Weight>>(std::move(weight), std::move(bias));
}

}  // namespace

template <typename Scalar>
std::unique_ptr<Projection<Scalar>> make_projection(
    const ModelTensors& tensors, const std::string& name, BaseFormat format,
    const std::optional<lorapro::LoraConfig>& lora) {
  switch (format) {
    case BaseFormat::bf16:
      return make_with_base<Scalar, bfloat16>(tensors, name, lora);
    case BaseFormat::int8:
      return make_with_base<Scalar, lorapro::Int8Weight>(tensors, name, lora);
    case BaseFormat::nf4:
      return make_with_base<Scalar, lorapro::Nf4Weight>(tensors, name, lora);
    default:
      return make_with_base<Scalar, Scalar>(tensors, name, lora);
  }
}

template std::unique_ptr<Projection<float>> make_projection(
    const ModelTensors&, const std::string&, BaseFormat, const std::optional<lorapro::LoraConfig>&);
template std::unique_ptr<Projection<double>> make_projection(
    const ModelTensors&, const std::string&, BaseFormat, const std::optional<lorapro::LoraConfig>&);

}  // namespace examples::llm
