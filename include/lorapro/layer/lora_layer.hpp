// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/random.hpp>
#include <lorapro/core/row_overlap.hpp>
#include <lorapro/layer/base_weight.hpp>
#include <lorapro/layer/lora_init.hpp>
#include <lorapro/layer/weight_tiles.hpp>

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
/// Products are split among Eigen::nbThreads() threads, which is one without OpenMP; results have
/// the same bits for any number. W0 is converted to Scalar tile by tile inside forward and
/// backward, in a workspace of 128 kB per thread (152 kB in double). Neither uses the heap once a
/// batch of the size has passed.
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
      : base_weight_(std::move(base_weight)), config_(config), bias_(bias) {
    config.validate();
    const Index a = rank() * in_features(), b = out_features() * rank();
    lora_A_ = Buffer<Scalar>(a);
    grad_A_ = Buffer<Scalar>(a);
    lora_B_ = Buffer<Scalar>(b);
    grad_B_ = Buffer<Scalar>(b);
    auto A = lora_A();
    auto B = lora_B();
    initialize_lora(config, make_view(A), make_view(B));
  }

  LoraLayer(LoraLayer&&) = default;
  LoraLayer& operator=(LoraLayer&&) = default;

  /// y = x W0^T + bias + s (drop(x) A^T) B^T. In training each call draws a new dropout mask.
  /// \param x       (batch, in_features), row-major (a block of rows or columns is fine).
  /// \param[out] y  (batch, out_features), row-major; overwritten. No element of it may be one of
  ///                 x, the factors, their gradients, the bias or W0.
  /// \cost 2 batch (m n + (m + n) r) flops, and W0 decoded once; a temporary of (batch, r), no
  /// (m, n) one.
  /// \throws ShapeError (shapes, memory that overlaps); y is then untouched.
  template <typename X, typename Y>
  void forward(const Eigen::MatrixBase<X>& x, Y&& y) {
    const auto input = batch(x);
    auto output = batch(y);
    checks::shape("x", input.rows(), input.cols(), input.rows(), in_features());
    checks::shape("y", output.rows(), output.cols(), input.rows(), out_features());
    check_output("y", rows_of(output), "x", rows_of(input));
    if (training_ && dropping()) ++mask_;
    product_.assign(read(input), TransposedWeightTiles<Scalar, Weight>(base_weight_),
                    make_view(output), threads());
    if (bias_ != nullptr)
      output.rowwise() +=
          Eigen::Map<const Eigen::Matrix<Scalar, 1, Eigen::Dynamic>>(bias_, out_features());
    if (merged_) return;
    const auto s = static_cast<Scalar>(scaling());
    reserve_hidden(input.rows());
    Map h = hidden(input.rows());
    down_project(input, h);
    product_.add(s, read(h), transposed_tiles(lora_B()), make_view(output), threads());
  }

  /// Gradients of the last forward; call it with that forward's x (the dropout mask is drawn again
  /// from its counter, not stored).
  /// \param x            as forward got it.
  /// \param grad_y       (batch, out_features), dL/dy.
  /// \param[out] grad_x  (batch, in_features), overwritten. No element of it may be one of x,
  ///                     grad_y or what y must not overlap.
  /// \cost 2 batch (m n + 3 (m + n) r) flops.
  /// \throws ShapeError (shapes, memory that overlaps), StateError (merged); nothing is written
  /// then.
  template <typename X, typename GradY, typename GradX>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y,
                GradX&& grad_x) {
    const auto input = batch(x);
    const auto dy = batch(grad_y);
    auto dx = batch(grad_x);
    check_backward(input.rows(), input.cols(), dy.rows(), dy.cols());
    check_inputs(input, dy);
    checks::shape("grad_x", dx.rows(), dx.cols(), input.rows(), in_features());
    check_output("grad_x", rows_of(dx), "x", rows_of(input));
    detail::check_apart("grad_x", rows_of(dx), "grad_y", rows_of(dy));
    product_.assign(read(dy), WeightTiles<Scalar, Weight>(base_weight_), make_view(dx), threads());
    accumulate(input, dy);
    // accumulate leaves s grad_y B in the second hidden buffer.
    const Map back = hidden_gradient(input.rows());
    if (!training_ || !dropping()) {
      product_.add(Scalar(1), read(back), tiles(lora_A()), make_view(dx), threads());
      return;
    }
    for_row_blocks(input.rows(), [&](Index row, Index rows) {
      Map block(block_.data(), rows, in_features());
      product_.assign(read(back.middleRows(row, rows)), tiles(lora_A()), make_view(block),
                      threads());
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < in_features(); ++j) dx(row + i, j) += block(i, j) * mask(row + i, j);
    });
  }

  /// As above without grad_x (the first layer of a network).
  template <typename X, typename GradY>
  void backward(const Eigen::MatrixBase<X>& x, const Eigen::MatrixBase<GradY>& grad_y) {
    const auto input = batch(x);
    const auto dy = batch(grad_y);
    check_backward(input.rows(), input.cols(), dy.rows(), dy.cols());
    check_inputs(input, dy);
    accumulate(input, dy);
  }

  /// grad_A = 0, grad_B = 0.
  void zero_grad() {
    grad_A().setZero();
    grad_B().setZero();
  }

  /// Dropout acts in training only. A new layer is in training.
  void set_training(bool training) { training_ = training; }

  /// Dropout masks drawn so far: with the seed of the config, all that the next ones depend on.
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
  /// Rows of a batch that are masked, or of W0 that are merged into, at a time.
  static constexpr Index kBlockRows = 64;

  bool dropping() const { return config_.lora_dropout > 0; }

  /// A map of a caller's batch; no copy, whatever the outer stride.
  template <typename Derived>
  static auto batch(Derived&& matrix) {
    using Plain = std::remove_const_t<std::remove_reference_t<Derived>>;
    static_assert(std::is_same_v<typename Plain::Scalar, Scalar>,
                  "a batch must have the layer's Scalar");
    static_assert((Plain::Flags & Eigen::DirectAccessBit) != 0,
                  "a batch must have memory of its own: evaluate the expression first");
    static_assert(Plain::IsRowMajor && Plain::InnerStrideAtCompileTime == 1,
                  "a batch must be row-major with contiguous rows");
    auto& m = matrix.derived();
    using Stride = Eigen::OuterStride<>;
    using Data = std::remove_pointer_t<decltype(m.data())>;
    using Element = std::conditional_t<std::is_const_v<Data>, const Matrix, Matrix>;
    return Eigen::Map<Element, Eigen::Unaligned, Stride>(m.data(), m.rows(), m.cols(),
                                                         Stride(m.outerStride()));
  }

  void check_backward(Index x_rows, Index x_cols, Index y_rows, Index y_cols) const {
    if (merged_) throw StateError("backward: expected an unmerged layer, got a merged one");
    checks::shape("x", x_rows, x_cols, x_rows, in_features());
    checks::shape("grad_y", y_rows, y_cols, x_rows, out_features());
  }

  template <typename Batch>
  static detail::MemoryRows rows_of(const Batch& matrix) {
    return detail::memory_rows(make_view(matrix));
  }
  template <typename T>
  static detail::MemoryRows row_of(const T* data, Index size) {
    return detail::memory_rows(MatrixView<const T>{data, 1, data == nullptr ? 0 : size, size, 1});
  }

  /// \throws ShapeError if what backward reads has memory of the gradients that it adds to.
  template <typename Input, typename GradY>
  void check_inputs(const Input& input, const GradY& dy) const {
    for (const auto& [name, rows] : {std::pair{"x", rows_of(input)}, {"grad_y", rows_of(dy)}}) {
      detail::check_apart(name, rows, "grad_A", row_of(grad_A_.data(), grad_A_.size()));
      detail::check_apart(name, rows, "grad_B", row_of(grad_B_.data(), grad_B_.size()));
    }
  }

  /// \throws ShapeError if what is to be written has memory of the input or of the layer.
  void check_output(const char* name, const detail::MemoryRows& output, const char* input_name,
                    const detail::MemoryRows& input) const {
    detail::check_apart(name, output, input_name, input);
    detail::check_apart(name, output, "lora_A", row_of(lora_A_.data(), lora_A_.size()));
    detail::check_apart(name, output, "lora_B", row_of(lora_B_.data(), lora_B_.size()));
    detail::check_apart(name, output, "grad_A", row_of(grad_A_.data(), grad_A_.size()));
    detail::check_apart(name, output, "grad_B", row_of(grad_B_.data(), grad_B_.size()));
    detail::check_apart(name, output, "bias", row_of(bias_, out_features()));
    if constexpr (is_storage_scalar_v<Base>)
      detail::check_apart(name, output, "base_weight",
                          row_of(base_weight_.data(), out_features() * in_features()));
  }

  static int threads() { return Eigen::nbThreads(); }

  /// \name Matrices as products take them
  /// @{
  template <typename Derived>
  static MatrixView<const Scalar> read(const Eigen::MatrixBase<Derived>& matrix) {
    return make_view(matrix);
  }
  template <typename Derived>
  static ViewTiles<Scalar> tiles(const Eigen::MatrixBase<Derived>& matrix) {
    return ViewTiles<Scalar>(read(matrix));
  }
  template <typename Derived>
  static ViewTiles<Scalar> transposed_tiles(const Eigen::MatrixBase<Derived>& matrix) {
    return ViewTiles<Scalar>(transposed(read(matrix)));
  }
  /// @}

  template <typename F>
  static void for_row_blocks(Index rows, const F& f) {
    for (Index row = 0; row < rows; row += kBlockRows) f(row, (std::min)(kBlockRows, rows - row));
  }

  void reserve_hidden(Index rows) { hidden_.reserve(2 * rows * rank()); }
  Map hidden(Index rows) { return {hidden_.data(), rows, rank()}; }
  Map hidden_gradient(Index rows) { return {hidden_.data() + rows * rank(), rows, rank()}; }

  /// 0 or 1 / (1 - p), a function of seed, forward call and element.
  Scalar mask(Index row, Index col) const {
    const auto element = static_cast<std::uint64_t>(row * in_features() + col);
    const double p = config_.lora_dropout;
    return random_uniform(derive_key(config_.seed, 16 + mask_), element) < p
               ? Scalar(0)
               : static_cast<Scalar>(1 / (1 - p));
  }

  template <typename Input>
  Map dropped(const Input& input, Index row, Index rows) {
    block_.reserve(kBlockRows * in_features());
    Map block(block_.data(), rows, in_features());
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < in_features(); ++j) block(i, j) = input(row + i, j) * mask(row + i, j);
    return block;
  }

  /// h = drop(x) A^T.
  template <typename Input>
  void down_project(const Input& input, Map& h) {
    if (!training_ || !dropping()) {
      product_.assign(read(input), transposed_tiles(lora_A()), make_view(h), threads());
      return;
    }
    for_row_blocks(input.rows(), [&](Index row, Index rows) {
      auto part = h.middleRows(row, rows);
      product_.assign(read(dropped(input, row, rows)), transposed_tiles(lora_A()), make_view(part),
                      threads());
    });
  }

  /// grad_B += s grad_y^T h, grad_A += (s grad_y B)^T drop(x).
  template <typename Input, typename GradY>
  void accumulate(const Input& input, const GradY& dy) {
    const auto s = static_cast<Scalar>(scaling());
    reserve_hidden(input.rows());
    Map h = hidden(input.rows());
    Map back = hidden_gradient(input.rows());
    Map to_A = grad_A(), to_B = grad_B();
    down_project(input, h);
    product_.add(s, transposed(read(dy)), tiles(h), make_view(to_B), threads());
    product_.assign(read(dy), tiles(lora_B()), make_view(back), threads());
    back *= s;
    if (!training_ || !dropping()) {
      product_.add(Scalar(1), transposed(read(back)), tiles(input), make_view(to_A), threads());
      return;
    }
    for_row_blocks(input.rows(), [&](Index row, Index rows) {
      product_.add(Scalar(1), transposed(read(back.middleRows(row, rows))),
                   tiles(dropped(input, row, rows)), make_view(to_A), threads());
    });
  }

  void add_to_base(double s) {
    if constexpr (is_storage_scalar_v<Base>) {
      Base* const weight = base_weight_.writable_data();
      if (weight == nullptr)
        throw ConfigError("base_weight: expected a writable W0 to merge into, got a read-only one");
      if (!base_weight_.sole())
        throw ConfigError("base_weight: expected sole ownership to merge, got a shared W0");
      block_.reserve(kBlockRows * in_features());
      for_row_blocks(out_features(), [&](Index row, Index rows) {
        Map block(block_.data(), rows, in_features());
        product_.assign(read(lora_B().middleRows(row, rows)), tiles(lora_A()), make_view(block),
                        threads());
        for (Index k = 0; k < rows * in_features(); ++k) {
          Base& w = weight[row * in_features() + k];
          w = static_cast<Base>(static_cast<Scalar>(w) + static_cast<Scalar>(s) * block_[k]);
        }
      });
    } else {
      // s B A is far below the distance of two codes: most of it would be rounded away.
      throw ConfigError(
          std::string("base_weight: expected a floating-point W0 to merge into, got ") +
          Base::kFormat + "; merge into the original checkpoint instead");
    }
  }

  Weight base_weight_;
  LoraConfig config_;
  const Scalar* bias_;
  Buffer<Scalar> lora_A_, lora_B_, grad_A_, grad_B_;
  Buffer<Scalar> hidden_;  // drop(x) A^T and s grad_y B of a batch
  Buffer<Scalar> block_;   // kBlockRows rows of masked input, or of s B A
  TiledProduct<Scalar> product_;
  std::uint64_t mask_ = 0;
  bool training_ = true;
  bool merged_ = false;
};

/// The layer's pair as an optimizer attaches it, with W0 where it is the layer's own and not
/// quantised. \throws StateError (merged layer).
template <typename Scalar, typename Base>
auto lora_views(LoraLayer<Scalar, Base>& layer) {
  if (layer.merged()) throw StateError("layer: expected an unmerged layer, got a merged one");
  auto A = layer.lora_A();
  auto B = layer.lora_B();
  auto grad_A = layer.grad_A();
  auto grad_B = layer.grad_B();
  using Stored = std::conditional_t<is_storage_scalar_v<Base>, Base, Scalar>;
  LoraView<Scalar, Stored> view{make_view(A), make_view(B), make_view(grad_A), make_view(grad_B),
                                layer.scaling()};
  if constexpr (is_storage_scalar_v<Base>)
    if (layer.base_weight().sole()) view.base_weight = layer.base_weight().writable_data();
  return view;
}

LORAPRO_NAMESPACE_END
