// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/batch.hpp>
#include <lorapro/layer/lora_init.hpp>
#include <lorapro/layer/low_rank_product.hpp>

#include <utility>  // std::move, std::pair

LORAPRO_NAMESPACE_BEGIN

/// A linear layer with a frozen weight and a LoRA adapter: W = W0 + s B A,
///
///     y = x W0^T + bias + s (drop(x) A^T) B^T
///
/// Batches are row-major, (batch, features), in the caller's buffers. backward accumulates
///
///     grad_A += s B^T grad_y^T drop(x)      grad_B += s grad_y^T (drop(x) A^T)
///
/// and W0 gets no gradient. Moving the layer keeps the addresses of A, B and their gradients, so an
/// optimizer stays attached. Not thread-safe; different layers are independent, also those that
/// share one W0.
///
/// Products are those of LowRankProduct: the same bits for any number of threads, W0 decoded tile by
/// tile, no heap once a batch of the size has passed.
///
/// \tparam Scalar  float or double: activations, A, B, gradients.
/// \tparam Base    what W0 is stored in: Scalar, bfloat16, half, or a class that quantises it,
///                 Int8Weight or Nf4Weight. A quantised W0 cannot be merged into.
template <typename Scalar, typename Base = Scalar>
class LoraLayer {
  static_assert(is_compute_scalar_v<Scalar>, "LoraLayer: Scalar must be float or double");
  static_assert(std::is_same_v<Base, Scalar> || std::is_same_v<Base, bfloat16> ||
                    std::is_same_v<Base, half> || std::is_class_v<Base>,
                "LoraLayer: Base must be Scalar, bfloat16, half or a class of weights");

 public:
  using Weight = std::conditional_t<is_storage_scalar_v<Base>, BaseWeight<Base>, Base>;
  using Matrix = RowMatrix<Scalar>;
  using Map = Eigen::Map<Matrix>;
  using ConstMap = Eigen::Map<const Matrix>;

  /// \param bias  (out_features), mapped, frozen; or null.
  /// \throws ConfigError (a field of config).
  LoraLayer(Weight base_weight, const LoraConfig& config, const Scalar* bias = nullptr)
      : LoraLayer(std::move(base_weight), config, bias, ConfiguredInit{}) {}

  /// \param init  fills A and B, and may have their product taken out of W0: is_lora_initializer_v.
  /// \throws ConfigError (a field of config; a correction of a W0 that is read-only, shared or
  /// quantised), and what init throws. W0 is unchanged then.
  template <typename Init>
  LoraLayer(Weight base_weight, const LoraConfig& config, const Scalar* bias, Init&& init)
      : base_weight_(std::move(base_weight)), config_(config), bias_(bias) {
    config.validate();
    const Index a = rank() * in_features(), b = out_features() * rank();
    lora_A_ = Buffer<Scalar>(a);
    grad_A_ = Buffer<Scalar>(a);
    lora_B_ = Buffer<Scalar>(b);
    grad_B_ = Buffer<Scalar>(b);
    initialize(init);
  }

  LoraLayer(LoraLayer&&) = default;
  LoraLayer& operator=(LoraLayer&&) = default;

  /// y = x W0^T + bias + s (drop(x) A^T) B^T. In training each call draws a new dropout mask.
  /// \param x       (batch, in_features), row-major (a block of rows or columns is fine).
  /// \param[out] y  (batch, out_features), row-major; overwritten. A matrix is given that size, a
  ///                 block or map must have it. No element of it may be one of x, the factors,
  ///                 their gradients, the bias or W0.
  /// \cost 2 batch (m n + (m + n) r) flops, and W0 decoded once; a temporary of (batch, r), no
  /// (m, n) one.
  /// \throws ShapeError (shapes, memory that overlaps); y is then untouched.
  template <typename X, typename Y>
  void forward(const Eigen::MatrixBase<X>& x, Y&& y) {
    const auto input = detail::batch_view<Scalar>(x);
    checks::shape("x", input.rows, input.cols, input.rows, in_features());
    detail::check_shape_or_resizable("y", y, input.rows, out_features());
    check_output("y", detail::batch_view<Scalar>(y), "x", input);
    const auto output = detail::sized_batch_view<Scalar>(y, input.rows, out_features());
    if (dropout().drops()) ++mask_;
    product_.forward_base(input, base_weight_, output);
    detail::add_to_rows(bias_, output);
    if (!merged_) product_.forward_adapter(input, lora(), dropout(), output);
  }

  /// The same; y is returned, and allocated. \throws ShapeError (shape of x).
  template <typename X>
  Matrix forward(const Eigen::MatrixBase<X>& x) {
    Matrix y;
    forward(x, y);
    return y;
  }

  /// Gradients of the last forward; call it with that forward's x (the dropout mask is drawn again
  /// from its number, not stored).
  /// \param x            as forward got it.
  /// \param grad_y       (batch, out_features), dL/dy.
  /// \param[out] grad_x  (batch, in_features), overwritten; sized as y of forward is. No element of
  ///                     it may be one of x, grad_y or what y must not overlap.
  /// \cost 2 batch (m n + 3 (m + n) r) flops.
  /// \throws ShapeError (shapes, memory that overlaps), StateError (merged); nothing is written
  /// then.
  template <typename X, typename GradY, typename GradX>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y,
                GradX&& grad_x) {
    const auto input = detail::batch_view<Scalar>(x), dy = detail::batch_view<Scalar>(grad_y);
    check_backward(input, dy);
    detail::check_shape_or_resizable("grad_x", grad_x, input.rows, in_features());
    const auto present = detail::batch_view<Scalar>(grad_x);
    check_output("grad_x", present, "x", input);
    check_output("grad_x", present, "grad_y", dy);
    const auto dx = detail::sized_batch_view<Scalar>(grad_x, input.rows, in_features());
    product_.backward_base(dy, base_weight_, dx);
    product_.backward_adapter(input, dy, lora(), dropout(), dx);
  }

  /// As above without grad_x (the first layer of a network).
  template <typename X, typename GradY>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y) {
    const auto input = detail::batch_view<Scalar>(x), dy = detail::batch_view<Scalar>(grad_y);
    check_backward(input, dy);
    product_.backward_adapter(input, dy, lora(), dropout());
  }

  /// grad_A = 0, grad_B = 0.
  void zero_grad() {
    grad_A().setZero();
    grad_B().setZero();
  }

  /// \param threads  among which products are split; 0, the default: as many as OpenMP has.
  /// \throws ConfigError (below 0).
  void set_threads(int threads) { product_.set_threads(threads); }

  /// Dropout acts in training only. A new layer is in training.
  void set_training(bool training) { training_ = training; }

  /// Dropout masks drawn so far: with the seed of the config, all that the next ones depend on, and
  /// the number of the last forward's. Set to that number, backward draws the mask of that forward;
  /// set to one less, the next forward does, where it is computed once more.
  std::uint64_t dropout_masks() const { return mask_; }
  void set_dropout_masks(std::uint64_t masks) { mask_ = masks; }

  /// W0 += s B A; forward then uses W0 alone. Undone by unmerge to within rounding of W0's type.
  /// \cost 2 m n r flops. \throws StateError (merged already), ConfigError (W0 is read-only,
  /// shared, or quantised: merge into the original checkpoint then).
  void merge() {
    if (merged_) throw StateError("merge: expected an unmerged layer, got a merged one");
    add_to_base(scaling());
    merged_ = true;
  }

  /// W0 -= s B A. \throws StateError (not merged), ConfigError (W0 is shared since).
  void unmerge() {
    if (!merged_) throw StateError("unmerge: expected a merged layer, got an unmerged one");
    add_to_base(-scaling());
    merged_ = false;
  }

  /// Lets the adapter start anew, with what it has learned in W0: W0 += s B A, then A and B as of
  /// `init`, and gradients 0. An optimizer that has the layer should forget its moments
  /// (Optimizer::reset_pairs).
  /// \param init  as of the constructor; it sees the new W0.
  /// \cost 2 m n r flops, and what init takes.
  /// \throws as merge, and what init throws; then B is 0 and the layer computes what it did.
  /// \ref Lialin et al., ReLoRA, arXiv:2307.05695.
  template <typename Init = ConfiguredInit>
  void restart(Init&& init = {}) {
    if (merged_) throw StateError("restart: expected an unmerged layer, got a merged one");
    add_to_base(scaling());
    zero_grad();
    lora_A().setZero();
    lora_B().setZero();
    try {
      initialize(init);
    } catch (...) {
      lora_B().setZero();
      throw;
    }
  }

  bool merged() const { return merged_; }
  Index out_features() const { return base_weight_.out_features(); }
  Index in_features() const { return base_weight_.in_features(); }
  Index rank() const { return config_.rank; }
  double scaling() const { return config_.scaling(); }
  const LoraConfig& config() const { return config_; }
  const Weight& base_weight() const { return base_weight_; }
  /// Memory of W0.
  std::size_t base_bytes() const { return base_weight_.bytes(); }

  Map lora_A() { return {lora_A_.data(), rank(), in_features()}; }
  Map lora_B() { return {lora_B_.data(), out_features(), rank()}; }
  Map grad_A() { return {grad_A_.data(), rank(), in_features()}; }
  Map grad_B() { return {grad_B_.data(), out_features(), rank()}; }
  ConstMap lora_A() const { return {lora_A_.data(), rank(), in_features()}; }
  ConstMap lora_B() const { return {lora_B_.data(), out_features(), rank()}; }
  ConstMap grad_A() const { return {grad_A_.data(), rank(), in_features()}; }
  ConstMap grad_B() const { return {grad_B_.data(), out_features(), rank()}; }

 private:
  using View = MatrixView<Scalar>;
  using ConstView = MatrixView<const Scalar>;

  LoraView<Scalar> lora() {
    return row_major_view(lora_A_.data(), lora_B_.data(), grad_A_.data(), grad_B_.data(),
                          out_features(), in_features(), rank(), scaling());
  }

  template <typename Init>
  void initialize(Init& init) {
    const LoraView<Scalar> pair = lora();
    if (detail::run_initializer(init, config_, base_weight_, pair.lora_A, pair.lora_B) ==
        BaseCorrection::subtract_adapter)
      add_to_base(-scaling());
  }

  /// The mask of the last forward.
  Dropout dropout() const { return {training_ ? config_.lora_dropout : 0, config_.seed, mask_}; }

  /// \throws StateError (merged), ShapeError (shapes; what backward reads has memory of the
  /// gradients that it adds to).
  void check_backward(const ConstView& x, const ConstView& grad_y) const {
    if (merged_) throw StateError("backward: expected an unmerged layer, got a merged one");
    checks::shape("x", x.rows, x.cols, x.rows, in_features());
    checks::shape("grad_y", grad_y.rows, grad_y.cols, x.rows, out_features());
    for (const auto& [name, batch] : {std::pair{"x", x}, {"grad_y", grad_y}}) {
      detail::check_apart(name, detail::memory_rows(batch), "grad_A", detail::memory_row(grad_A_));
      detail::check_apart(name, detail::memory_rows(batch), "grad_B", detail::memory_row(grad_B_));
    }
  }

  /// \throws ShapeError if what is to be written has memory of an input or of the layer.
  template <typename Output>
  void check_output(const char* name, const Output& output, const char* input_name,
                    const ConstView& input) const {
    const detail::MemoryRows rows = detail::memory_rows(output);
    detail::check_apart(name, rows, input_name, detail::memory_rows(input));
    for (const auto& [own_name, own] : {std::pair{"lora_A", detail::memory_row(lora_A_)},
                                        {"lora_B", detail::memory_row(lora_B_)},
                                        {"grad_A", detail::memory_row(grad_A_)},
                                        {"grad_B", detail::memory_row(grad_B_)},
                                        {"bias", detail::memory_row(bias_, out_features())}})
      detail::check_apart(name, rows, own_name, own);
    if constexpr (is_storage_scalar_v<Base>)
      detail::check_apart(name, rows, "base_weight",
                          detail::memory_row(base_weight_.data(), out_features() * in_features()));
  }

  /// W0 += c B A.
  void add_to_base(double c) {
    detail::check_can_merge(base_weight_);
    if constexpr (is_storage_scalar_v<Base>) product_.add_to_weight(c, lora(), base_weight_);
  }

  Weight base_weight_;
  LoraConfig config_;
  const Scalar* bias_;
  Buffer<Scalar> lora_A_, lora_B_, grad_A_, grad_B_;
  LowRankProduct<Scalar> product_;
  std::uint64_t mask_ = 0;
  bool training_ = true;
  bool merged_ = false;
};

/// The layer's pair as an optimizer attaches it, with W0 where it is the layer's own and not
/// quantised. \throws StateError (merged layer).
template <typename Scalar, typename Base>
auto lora_views(LoraLayer<Scalar, Base>& layer) {
  if (layer.merged()) throw StateError("layer: expected an unmerged layer, got a merged one");
  using Stored = std::conditional_t<is_storage_scalar_v<Base>, Base, Scalar>;
  const LoraView<Scalar> pair = row_major_view(
      layer.lora_A().data(), layer.lora_B().data(), layer.grad_A().data(), layer.grad_B().data(),
      layer.out_features(), layer.in_features(), layer.rank(), layer.scaling());
  LoraView<Scalar, Stored> view{pair.lora_A, pair.lora_B, pair.grad_A, pair.grad_B, pair.scaling};
  if constexpr (is_storage_scalar_v<Base>)
    if (layer.base_weight().sole()) view.base_weight = layer.base_weight().writable_data();
  return view;
}

LORAPRO_NAMESPACE_END
