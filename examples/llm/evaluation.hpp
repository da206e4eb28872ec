// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once
#include <cmath>  // std::exp
#include <vector>

#include "llama.hpp"
#include "packing.hpp"
#include "peers.hpp"

namespace examples::llm {

/// How well a model foretells examples: the mean over all labels, whatever the batches.
struct Evaluation {
  double cross_entropy = 0;  ///< nats per label
  Index labels = 0;

  double perplexity() const { return std::exp(cross_entropy); }
};

/// Each of the peers has a part of the batches; all get the same result.
inline Evaluation evaluate(Llama<float>& model, const std::vector<TokenizedExample>& examples,
                           const PackingOptions& packing, const Peers& peers = Peers()) {
  double loss = 0;
  Index labels = 0;
  const auto packs = evaluation_packs(rows_of(examples), packing);
  for (std::size_t i = 0; i < packs.size(); ++i) {
    if (!peers.has(i)) continue;
    const LossSum sum = model.evaluate(make_batch(examples, packs[i]));
    loss += sum.loss;
    labels += sum.labels;
  }
  const double all = peers.sum(static_cast<double>(labels));
  return {peers.sum(loss) / all, static_cast<Index>(all)};
}

}  // namespace examples::llm
