// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/layer/batch.hpp>
#include <lorapro/layer/lora_init.hpp>
#include <lorapro/layer/low_rank_product.hpp>

#include <array>    // std::array
#include <utility>  // std::pair

LORAPRO_NAMESPACE_BEGIN

/// A frozen table of embeddings, a row per token, with a LoRA adapter. For the token t
///
///     y = W0[t] + s B A[:, t]      W0 (vocabulary, features)   A (rank, vocabulary)   B (features, rank)
///
/// so that the table is W0 + s (B A)^T. It starts as PEFT has it, A = 0 and B normal with deviation 1,
/// whatever LoraConfig::init says, and without dropout. backward accumulates, over the rows i of a
/// batch,
///
///     grad_A[:, t_i] += s B^T grad_y_i      grad_B += s grad_y_i^T A[:, t_i]^T
///
/// A has its columns contiguous, so that a token's are together. An optimizer takes the pair as that
/// of a layer with `vocabulary` inputs; decay of the merged table is refused. Not thread-safe.
///
/// \tparam Scalar  float or double: A, B, gradients, batches.
/// \tparam Base    what W0 is stored in, as of LoraLayer.
/// \ref PEFT, tuners/lora, Embedding.
template <typename Scalar, typename Base = Scalar>
class LoraEmbedding {
  static_assert(is_compute_scalar_v<Scalar>, "LoraEmbedding: Scalar must be float or double");
  static_assert(std::is_same_v<Base, Scalar> || std::is_same_v<Base, bfloat16> ||
                    std::is_same_v<Base, half> || std::is_class_v<Base>,
                "LoraEmbedding: Base must be Scalar, bfloat16, half or a class of weights");

 public:
  using Weight = std::conditional_t<is_storage_scalar_v<Base>, BaseWeight<Base>, Base>;
  using Matrix = RowMatrix<Scalar>;
  using Map = Eigen::Map<Matrix>;
  using ConstMap = Eigen::Map<const Matrix>;
  using ColumnMatrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
  using ColumnMap = Eigen::Map<ColumnMatrix>;
  using ConstColumnMap = Eigen::Map<const ColumnMatrix>;

  /// \param table  W0, as a weight of (vocabulary, features).
  /// \throws ConfigError (a field of config).
  LoraEmbedding(Weight table, const LoraConfig& config)
      : base_weight_(std::move(table)), config_(config) {
    config.validate();
    const Index a = rank() * vocabulary(), b = features() * rank();
    lora_A_ = Buffer<Scalar>(a);
    grad_A_ = Buffer<Scalar>(a);
    lora_B_ = Buffer<Scalar>(b);
    grad_B_ = Buffer<Scalar>(b);
    const std::uint64_t key = derive_key(config.seed, 2);
    for (Index k = 0; k < b; ++k)
      lora_B_[k] = static_cast<Scalar>(random_normal(key, static_cast<std::uint64_t>(k)));
  }

  LoraEmbedding(LoraEmbedding&&) = default;
  LoraEmbedding& operator=(LoraEmbedding&&) = default;

  /// \param tokens  whole numbers from 0 to vocabulary - 1, with data() and size(): a std::vector.
  /// \param[out] y  (tokens, features), row-major; overwritten. A matrix is given that size, a block
  ///                or map must have it. It overlaps nothing of the layer.
  /// \cost 2 tokens features r flops, and their rows of W0 decoded.
  /// \throws ShapeError (shapes, memory that overlaps), ConfigError (a token that is none); y is then
  /// untouched.
  template <typename Tokens, typename Y>
  void forward(const Tokens& tokens, Y&& y) {
    const Index rows = checked_rows(tokens);
    detail::check_shape_or_resizable("y", y, rows, features());
    check_output("y", detail::batch_view<Scalar>(y));
    const View out = detail::sized_batch_view<Scalar>(y, rows, features());
    for (Index i = 0; i < rows; ++i)
      base_weight_.decode(token(tokens, i), 1, 0, features(), &out(i, 0), features());
    if (merged_) return;
    TiledProduct<Scalar>::add(static_cast<Scalar>(scaling()), gathered(tokens, rows),
                              Tiles(transposed(read_B())), out, threads());
  }

  /// The same; y is returned, and allocated. \throws ConfigError (a token that is none).
  template <typename Tokens>
  Matrix forward(const Tokens& tokens) {
    Matrix y;
    forward(tokens, y);
    return y;
  }

  /// Gradients of A and B. Tokens have none.
  /// \param tokens  as forward got them. \param grad_y  (tokens, features), dL/dy.
  /// \cost 4 tokens features r flops.
  /// \throws ShapeError (shapes, memory that overlaps), StateError (merged), ConfigError (a token that
  /// is none); nothing is written then.
  template <typename Tokens, typename GradY>
  void backward(const Tokens& tokens, const Eigen::MatrixBase<GradY>& grad_y) {
    if (merged_) throw StateError("backward: expected an unmerged layer, got a merged one");
    const Index rows = checked_rows(tokens);
    const auto dy = detail::batch_view<Scalar>(grad_y);
    checks::shape("grad_y", dy.rows, dy.cols, rows, features());
    check_output("grad_y", dy);
    const auto s = static_cast<Scalar>(scaling());
    TiledProduct<Scalar>::add(s, transposed(dy), Tiles(gathered(tokens, rows)),
                              View{grad_B_.data(), features(), rank(), rank(), 1}, threads());
    // What was gathered has been used.
    const View back{hidden_.data(), rows, rank(), rank(), 1};
    TiledProduct<Scalar>::assign(dy, Tiles(read_B()), back, threads());
    for (Index i = 0; i < rows; ++i) {
      Scalar* const grad = grad_A_.data() + token(tokens, i) * rank();
      for (Index k = 0; k < rank(); ++k) grad[k] += s * back(i, k);
    }
  }

  /// grad_A = 0, grad_B = 0. \cost all of A, whichever tokens there were.
  void zero_grad() {
    grad_A().setZero();
    grad_B().setZero();
  }

  /// \param threads  among which products are split; 0, the default: as many as OpenMP has.
  /// \throws ConfigError (below 0).
  void set_threads(int threads) { table_product_.set_threads(threads); }

  /// W0 += s (B A)^T; forward then uses W0 alone. Undone by unmerge to within rounding of W0's type.
  /// \cost 2 vocabulary features r flops. \throws StateError (merged already), ConfigError (W0 is
  /// read-only, shared, or quantised).
  void merge() {
    if (merged_) throw StateError("merge: expected an unmerged layer, got a merged one");
    add_to_table(scaling());
    merged_ = true;
  }

  /// W0 -= s (B A)^T. \throws StateError (not merged), ConfigError (W0 is shared since).
  void unmerge() {
    if (!merged_) throw StateError("unmerge: expected a merged layer, got an unmerged one");
    add_to_table(-scaling());
    merged_ = false;
  }

  bool merged() const { return merged_; }
  Index vocabulary() const { return base_weight_.out_features(); }
  Index features() const { return base_weight_.in_features(); }
  /// \name Sizes of B and of A, as of a linear layer
  /// @{
  Index out_features() const { return features(); }
  Index in_features() const { return vocabulary(); }
  /// @}
  Index rank() const { return config_.rank; }
  double scaling() const { return config_.scaling(); }
  const LoraConfig& config() const { return config_; }
  /// The table (vocabulary, features).
  const Weight& base_weight() const { return base_weight_; }
  std::size_t base_bytes() const { return base_weight_.bytes(); }

  ColumnMap lora_A() { return {lora_A_.data(), rank(), vocabulary()}; }
  Map lora_B() { return {lora_B_.data(), features(), rank()}; }
  ColumnMap grad_A() { return {grad_A_.data(), rank(), vocabulary()}; }
  Map grad_B() { return {grad_B_.data(), features(), rank()}; }
  ConstColumnMap lora_A() const { return {lora_A_.data(), rank(), vocabulary()}; }
  ConstMap lora_B() const { return {lora_B_.data(), features(), rank()}; }
  ConstColumnMap grad_A() const { return {grad_A_.data(), rank(), vocabulary()}; }
  ConstMap grad_B() const { return {grad_B_.data(), features(), rank()}; }

 private:
  using View = MatrixView<Scalar>;
  using ConstView = MatrixView<const Scalar>;
  using Tiles = ViewTiles<Scalar>;

  int threads() const { return table_product_.threads(); }
  ConstView read_B() const { return {lora_B_.data(), features(), rank(), rank(), 1}; }

  template <typename Tokens>
  static Index token(const Tokens& tokens, Index i) {
    return static_cast<Index>(tokens.data()[i]);
  }

  /// How many tokens there are. \throws ConfigError unless each is one.
  template <typename Tokens>
  Index checked_rows(const Tokens& tokens) const {
    static_assert(std::is_integral_v<std::decay_t<decltype(*tokens.data())>>,
                  "tokens must be whole numbers");
    const auto rows = static_cast<Index>(tokens.size());
    for (Index i = 0; i < rows; ++i)
      if (token(tokens, i) < 0 || token(tokens, i) >= vocabulary())
        throw ConfigError("tokens: expected numbers from 0 to " + std::to_string(vocabulary() - 1) +
                          ", got " + std::to_string(tokens.data()[i]) + " at " + std::to_string(i));
    return rows;
  }

  /// Columns of A as rows (tokens, rank), kept until the next batch.
  template <typename Tokens>
  ConstView gathered(const Tokens& tokens, Index rows) {
    hidden_.reserve(rows * rank());
    for (Index i = 0; i < rows; ++i)
      std::copy_n(lora_A_.data() + token(tokens, i) * rank(), rank(), hidden_.data() + i * rank());
    return {hidden_.data(), rows, rank(), rank(), 1};
  }

  /// \throws ShapeError if a batch has memory of the layer.
  template <typename Output>
  void check_output(const char* name, const Output& output) const {
    const std::array<std::pair<const char*, detail::MemoryRows>, 4> memory{
        {{"lora_A", detail::memory_row(lora_A_)},
         {"lora_B", detail::memory_row(lora_B_)},
         {"grad_A", detail::memory_row(grad_A_)},
         {"grad_B", detail::memory_row(grad_B_)}}};
    const detail::MemoryRows rows = detail::memory_rows(output);
    for (const auto& [own_name, own] : memory) detail::check_apart(name, rows, own_name, own);
    if constexpr (is_storage_scalar_v<Base>)
      detail::check_apart(name, rows, "base_weight",
                          detail::memory_row(base_weight_.data(), vocabulary() * features()));
  }

  /// W0 += c (B A)^T: the table is a weight whose B is A^T, and whose A is B^T.
  void add_to_table(double c) {
    detail::check_can_merge(base_weight_);
    if constexpr (is_storage_scalar_v<Base>) {
      LoraView<Scalar> turned;
      turned.lora_A = {lora_B_.data(), rank(), features(), 1, rank()};
      turned.lora_B = {lora_A_.data(), vocabulary(), rank(), rank(), 1};
      table_product_.add_to_weight(c, turned, base_weight_);
    }
  }

  Weight base_weight_;
  LoraConfig config_;
  Buffer<Scalar> lora_A_, lora_B_, grad_A_, grad_B_;
  Buffer<Scalar> hidden_;
  LowRankProduct<Scalar> table_product_;  // of merging
  bool merged_ = false;
};

/// The layer's pair as an optimizer attaches it. \throws StateError (merged layer).
template <typename Scalar, typename Base>
LoraView<Scalar> lora_views(LoraEmbedding<Scalar, Base>& layer) {
  if (layer.merged()) throw StateError("layer: expected an unmerged layer, got a merged one");
  auto A = layer.lora_A(), grad_A = layer.grad_A();
  auto B = layer.lora_B(), grad_B = layer.grad_B();
  return {make_view(A), make_view(B), make_view(grad_A), make_view(grad_B), layer.scaling()};
}

LORAPRO_NAMESPACE_END
