// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/lora_layer.hpp>

#include <array>  // std::array

LORAPRO_NAMESPACE_BEGIN

/// A linear layer with a frozen weight and a DoRA adapter, which trains the length of each row of W
/// apart from its direction. With V = W0 + s B A and a magnitude per output,
///
///     c_i = magnitude_i / ||row i of V||
///     y = c .* (x W0^T + s (drop(x) A^T) B^T) + bias          (c scales columns)
///
/// The magnitude starts as ||row i of V||, so that the layer starts as W0. backward takes the norms
/// for constants, as the paper and PEFT do; with h = c .* grad_y it accumulates
///
///     grad_A += s B^T h^T drop(x)      grad_B += s h^T (drop(x) A^T)
///     grad_magnitude_i += sum over rows of grad_y_i (x V^T)_i / ||row i of V||
///
/// A row of V that is 0 has c = 0. Dropout acts on the adapter alone, as in LoraLayer; PEFT also
/// drops from (c - 1) W0 x.
///
/// An optimizer takes the pair by attach(layer), and the magnitude, which weight decay would draw to
/// 0, by attach(layer.magnitude_view(), group) with a group of no decay.
///
/// Decay of the merged weight is refused. Batches, threads and bits are as in LoraLayer; V is formed
/// 64 rows at a time, and x V^T kept for backward.
/// \tparam Scalar, Base  as in LoraLayer.
/// \ref Liu et al., DoRA, arXiv:2402.09353, sections 4.1 and 4.3; PEFT, dora.py.
template <typename Scalar, typename Base = Scalar>
class DoraLayer {
 public:
  using Weight = typename LoraLayer<Scalar, Base>::Weight;
  using Matrix = RowMatrix<Scalar>;
  using Map = Eigen::Map<Matrix>;
  using ConstMap = Eigen::Map<const Matrix>;

  /// \param bias  (out_features), mapped, frozen; or null.
  /// \throws ConfigError (a field of config).
  DoraLayer(Weight base_weight, const LoraConfig& config, const Scalar* bias = nullptr)
      : DoraLayer(std::move(base_weight), config, bias, ConfiguredInit{}) {}

  /// \param init  as of LoraLayer. \throws as there.
  template <typename Init>
  DoraLayer(Weight base_weight, const LoraConfig& config, const Scalar* bias, Init&& init)
      : lora_(std::move(base_weight), config, nullptr, std::forward<Init>(init)),
        bias_(bias),
        magnitude_(out_features()),
        grad_magnitude_(out_features()),
        norms_(out_features()),
        scales_(out_features()),
        factors_(out_features()) {
    measure_norms();
    for (Index i = 0; i < out_features(); ++i) magnitude_[i] = static_cast<Scalar>(norms_[i]);
  }

  DoraLayer(DoraLayer&&) = default;
  DoraLayer& operator=(DoraLayer&&) = default;

  /// \param x       (batch, in_features). \param[out] y  (batch, out_features), as of LoraLayer.
  /// \cost that of LoraLayer, and 2 m n (r + 1) flops for the norms, with W0 decoded once more.
  /// \throws ShapeError (shapes, memory that overlaps); y is then untouched.
  template <typename X, typename Y>
  void forward(const Eigen::MatrixBase<X>& x, Y&& y) {
    const auto input = detail::batch_view<Scalar>(x);
    checks::shape("x", input.rows, input.cols, input.rows, in_features());
    detail::check_shape_or_resizable("y", y, input.rows, out_features());
    check_output("y", detail::batch_view<Scalar>(y), "x", input);
    const auto output = detail::sized_batch_view<Scalar>(y, input.rows, out_features());
    if (merged_) {
      product_.forward_base(input, base_weight(), output);
    } else {
      direction_.reserve(input.rows * out_features());
      lora_.forward(x, Map(direction_.data(), input.rows, out_features()));
      rows_ = input.rows;
      measure_norms();
      for (Index j = 0; j < out_features(); ++j)
        scales_[j] = norms_[j] > 0 ? static_cast<Scalar>(magnitude_[j] / norms_[j]) : Scalar(0);
      const ConstMap direction(direction_.data(), input.rows, out_features());
      detail::scale_columns(scales_.data(), detail::batch_view<Scalar>(direction), output);
    }
    detail::add_to_rows(bias_, output);
  }

  /// The same; y is returned, and allocated. \throws ShapeError (shape of x).
  template <typename X>
  Matrix forward(const Eigen::MatrixBase<X>& x) {
    Matrix y;
    forward(x, y);
    return y;
  }

  /// Gradients of the last forward, with its x and the norms that it had.
  /// \param x            as forward got it.
  /// \param grad_y       (batch, out_features), dL/dy.
  /// \param[out] grad_x  (batch, in_features), as of LoraLayer.
  /// \cost that of LoraLayer, and 3 batch m flops.
  /// \throws ShapeError (shapes, memory that overlaps), StateError (merged; another batch than the
  /// last forward's); nothing is written then.
  template <typename X, typename GradY, typename GradX>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y,
                GradX&& grad_x) {
    const auto input = detail::batch_view<Scalar>(x), dy = detail::batch_view<Scalar>(grad_y);
    check_backward(input, dy);
    detail::check_shape_or_resizable("grad_x", grad_x, input.rows, in_features());
    const auto present = detail::batch_view<Scalar>(grad_x);
    check_output("grad_x", present, "x", input);
    check_output("grad_x", present, "grad_y", dy);
    lora_.backward(x, scaled_gradient(dy), std::forward<GradX>(grad_x));
    add_magnitude_gradient(dy);
  }

  /// As above without grad_x (the first layer of a network).
  template <typename X, typename GradY>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y) {
    const auto input = detail::batch_view<Scalar>(x), dy = detail::batch_view<Scalar>(grad_y);
    check_backward(input, dy);
    lora_.backward(x, scaled_gradient(dy));
    add_magnitude_gradient(dy);
  }

  /// grad_A = 0, grad_B = 0, grad_magnitude = 0.
  void zero_grad() {
    lora_.zero_grad();
    grad_magnitude().setZero();
  }

  /// W0 = diag(c) V; forward then uses W0 alone. Undone by unmerge to within rounding of W0's type.
  /// \throws StateError (merged already), ConfigError (W0 is read-only, shared or quantised; a
  /// magnitude of 0, by which unmerge would divide).
  void merge() {
    if (merged_) throw StateError("merge: expected an unmerged layer, got a merged one");
    detail::check_can_merge(base_weight());
    measure_norms();
    for (Index i = 0; i < out_features(); ++i) {
      factors_[i] = norms_[i] > 0 ? magnitude_[i] / norms_[i] : 1;
      checks::config(factors_[i] != 0 && is_finite(factors_[i]), "magnitude",
                     "finite numbers other than 0 to merge", static_cast<double>(magnitude_[i]));
    }
    rescale_base(scaling(), lora_B().data(), factors_);
    merged_ = true;
  }

  /// W0 = W0 / c - s B A. \throws StateError (not merged), ConfigError (W0 is shared since).
  void unmerge() {
    if (!merged_) throw StateError("unmerge: expected a merged layer, got an unmerged one");
    detail::check_can_merge(base_weight());
    // diag(1 / c) (W0 - s diag(c) B A)
    Matrix scaled_B = lora_B();
    Buffer<double> inverses(out_features());
    for (Index i = 0; i < out_features(); ++i) {
      scaled_B.row(i) *= static_cast<Scalar>(factors_[i]);
      inverses[i] = 1 / factors_[i];
    }
    rescale_base(-scaling(), scaled_B.data(), inverses);
    merged_ = false;
  }

  bool merged() const { return merged_; }

  /// \name As of LoraLayer
  /// @{
  void set_threads(int threads) {
    product_.set_threads(threads);
    lora_.set_threads(threads);
  }
  void set_training(bool training) { lora_.set_training(training); }
  std::uint64_t dropout_masks() const { return lora_.dropout_masks(); }
  void set_dropout_masks(std::uint64_t masks) { lora_.set_dropout_masks(masks); }
  Index out_features() const { return lora_.out_features(); }
  Index in_features() const { return lora_.in_features(); }
  Index rank() const { return lora_.rank(); }
  double scaling() const { return lora_.scaling(); }
  const LoraConfig& config() const { return lora_.config(); }
  const Weight& base_weight() const { return lora_.base_weight(); }
  std::size_t base_bytes() const { return lora_.base_bytes(); }
  Map lora_A() { return lora_.lora_A(); }
  Map lora_B() { return lora_.lora_B(); }
  Map grad_A() { return lora_.grad_A(); }
  Map grad_B() { return lora_.grad_B(); }
  ConstMap lora_A() const { return lora_.lora_A(); }
  ConstMap lora_B() const { return lora_.lora_B(); }
  ConstMap grad_A() const { return lora_.grad_A(); }
  ConstMap grad_B() const { return lora_.grad_B(); }
  /// @}

  /// (1, out_features).
  Map magnitude() { return {magnitude_.data(), 1, out_features()}; }
  Map grad_magnitude() { return {grad_magnitude_.data(), 1, out_features()}; }
  ConstMap magnitude() const { return {magnitude_.data(), 1, out_features()}; }
  ConstMap grad_magnitude() const { return {grad_magnitude_.data(), 1, out_features()}; }
  /// The magnitude as an optimizer attaches it.
  DenseView<Scalar> magnitude_view() {
    return {magnitude_.data(), grad_magnitude_.data(), out_features()};
  }

 private:
  using View = MatrixView<Scalar>;
  using ConstView = MatrixView<const Scalar>;

  LoraView<Scalar> pair_with(Scalar* B) {
    return row_major_view(lora_A().data(), B, grad_A().data(), grad_B().data(), out_features(),
                          in_features(), rank(), scaling());
  }

  /// norms_ = ||row i of V||
  void measure_norms() {
    product_.for_adapted_rows(
        scaling(), pair_with(lora_B().data()), base_weight(), [&](Index row, const View& part) {
          for (Index i = 0; i < part.rows; ++i)
            norms_[row + i] = ConstMap(&part(i, 0), 1, part.cols).template cast<double>().norm();
        });
  }

  /// h, kept until the next backward.
  ConstMap scaled_gradient(const ConstView& grad_y) {
    scaled_gradient_.reserve(grad_y.rows * grad_y.cols);
    const View out{scaled_gradient_.data(), grad_y.rows, grad_y.cols, grad_y.cols, 1};
    detail::scale_columns(scales_.data(), grad_y, out);
    return {out.data, out.rows, out.cols};
  }

  void add_magnitude_gradient(const ConstView& grad_y) {
    for (Index j = 0; j < grad_y.cols; ++j) {
      if (!(norms_[j] > 0)) continue;
      double sum = 0;
      for (Index i = 0; i < grad_y.rows; ++i)
        sum += static_cast<double>(grad_y(i, j)) *
               static_cast<double>(direction_[i * grad_y.cols + j]);
      grad_magnitude_[j] += static_cast<Scalar>(sum / norms_[j]);
    }
  }

  void rescale_base(double c, Scalar* B, const Buffer<double>& factors) {
    if constexpr (is_storage_scalar_v<Base>)
      product_.add_to_weight(c, pair_with(B), base_weight(), factors.data());
  }

  void check_backward(const ConstView& x, const ConstView& grad_y) const {
    if (merged_) throw StateError("backward: expected an unmerged layer, got a merged one");
    checks::shape("x", x.rows, x.cols, x.rows, in_features());
    checks::shape("grad_y", grad_y.rows, grad_y.cols, x.rows, out_features());
    if (x.rows != rows_)
      throw StateError("backward: expected the batch of the last forward, of " +
                       std::to_string(rows_) + " rows, got one of " + std::to_string(x.rows));
    const auto own = memory();
    for (const auto& [name, batch] : {std::pair{"x", x}, {"grad_y", grad_y}})
      for (std::size_t k = kFirstGradient; k < own.size(); ++k)
        detail::check_apart(name, detail::memory_rows(batch), own[k].first, own[k].second);
  }

  /// \throws ShapeError if what is to be written has memory of an input or of the layer.
  template <typename Output>
  void check_output(const char* name, const Output& output, const char* input_name,
                    const ConstView& input) const {
    const detail::MemoryRows rows = detail::memory_rows(output);
    detail::check_apart(name, rows, input_name, detail::memory_rows(input));
    for (const auto& [own_name, own] : memory()) detail::check_apart(name, rows, own_name, own);
    if constexpr (is_storage_scalar_v<Base>)
      detail::check_apart(name, rows, "base_weight",
                          detail::memory_row(base_weight().data(), out_features() * in_features()));
  }

  static constexpr std::size_t kFirstGradient = 4;
  std::array<std::pair<const char*, detail::MemoryRows>, 7> memory() const {
    const auto of = [](const ConstMap& map) { return detail::memory_row(map.data(), map.size()); };
    return {{{"lora_A", of(lora_A())},
             {"lora_B", of(lora_B())},
             {"magnitude", of(magnitude())},
             {"bias", detail::memory_row(bias_, out_features())},
             {"grad_A", of(grad_A())},
             {"grad_B", of(grad_B())},
             {"grad_magnitude", of(grad_magnitude())}}};
  }

  LoraLayer<Scalar, Base> lora_;
  const Scalar* bias_;
  Buffer<Scalar> magnitude_, grad_magnitude_;
  Buffer<double> norms_;            // of the rows of V, as of the last forward
  Buffer<Scalar> scales_;           // c, of the last forward
  Buffer<Scalar> direction_;        // x V^T of the last forward
  Index rows_ = -1;                 // of the last forward
  Buffer<Scalar> scaled_gradient_;  // of the last backward
  Buffer<double> factors_;          // c, as it was merged
  LowRankProduct<Scalar> product_;
  bool merged_ = false;
};

/// The layer's pair as an optimizer attaches it. \throws StateError (merged layer).
template <typename Scalar, typename Base>
LoraView<Scalar> lora_views(DoraLayer<Scalar, Base>& layer) {
  if (layer.merged()) throw StateError("layer: expected an unmerged layer, got a merged one");
  return row_major_view(layer.lora_A().data(), layer.lora_B().data(), layer.grad_A().data(),
                        layer.grad_B().data(), layer.out_features(), layer.in_features(),
                        layer.rank(), layer.scaling());
}

LORAPRO_NAMESPACE_END
