// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#include "llama_block.hpp"

#include "model_vector.hpp"
#include "rms_norm.hpp"
#include "swiglu.hpp"

namespace examples::llm {

using lorapro::make_view;

template <typename Scalar>
BlockActivations<Scalar>::BlockActivations(const LlamaConfig& c)
    : normed1(c.hidden_size),
      raw_q(c.query_size()),
      raw_k(c.key_size()),
      q(c.query_size()),
      k(c.key_size()),
      v(c.key_size()),
      mixed(c.query_size()),
      log_sum(c.heads),
      middle(c.hidden_size),
      normed2(c.hidden_size),
      gate(c.intermediate_size),
      up(c.intermediate_size),
      gated(c.intermediate_size) {}

template <typename Scalar>
BlockWorkspace<Scalar>::BlockWorkspace(const LlamaConfig& c)
    : rotary(c.rope.frequencies(c.head_dim)),
      attention(c.heads, c.kv_heads, c.head_dim),
      grad_normed{{RowBuffer<Scalar>(c.hidden_size), RowBuffer<Scalar>(c.hidden_size),
                   RowBuffer<Scalar>(c.hidden_size)}},
      grad_gate(c.intermediate_size),
      grad_up(c.intermediate_size),
      grad_mixed(c.query_size()),
      grad_q(c.query_size()),
      grad_k(c.key_size()),
      grad_v(c.key_size()) {}

template <typename Scalar>
void LlamaBlock<Scalar>::read_gains(const ModelTensors& tensors, const std::string& prefix) {
  gain1_ = read_vector<Scalar>(tensors, prefix + "input_layernorm.weight");
  gain2_ = read_vector<Scalar>(tensors, prefix + "post_attention_layernorm.weight");
  if (!config_.qk_norm) return;
  gain_q_ = read_vector<Scalar>(tensors, prefix + "self_attn.q_norm.weight");
  gain_k_ = read_vector<Scalar>(tensors, prefix + "self_attn.k_norm.weight");
}

template <typename Scalar>
bool LlamaBlock<Scalar>::trained() const {
  for (const auto& linear : linear_)
    if (linear->pair() != nullptr) return true;
  return false;
}

template <typename Scalar>
Scalar LlamaBlock<Scalar>::query_scale() const {
  return static_cast<Scalar>(1 / std::sqrt(static_cast<double>(config_.head_dim)));
}

template <typename Scalar>
void LlamaBlock<Scalar>::place_heads(Rows<Scalar> raw, Rows<Scalar> out,
                                     const lorapro::Buffer<Scalar>& gain, Scalar scale,
                                     const RowLayout& layout, BlockWorkspace<Scalar>& work) const {
  const Index dim = config_.head_dim;
  for_rows(work.threads, out.rows(), [&](Index row) {
    for (Index column = 0; column < out.cols(); column += dim) {
      Scalar* const head = &out(row, column);
      if (config_.qk_norm)
        rms_norm(&raw(row, column), gain.data(), dim, config_.rms_norm_eps, head);
      work.rotary.turn(head, layout.positions[static_cast<std::size_t>(row)], scale);
    }
  });
}

template <typename Scalar>
void LlamaBlock<Scalar>::unplace_heads(const ConstRows<Scalar>& raw, Rows<Scalar> grad,
                                       const lorapro::Buffer<Scalar>& gain, Scalar scale,
                                       const RowLayout& layout,
                                       BlockWorkspace<Scalar>& work) const {
  const Index dim = config_.head_dim;
  for_rows(work.threads, grad.rows(), [&](Index row) {
    for (Index column = 0; column < grad.cols(); column += dim) {
      Scalar* const head = &grad(row, column);
      work.rotary.turn_back(head, layout.positions[static_cast<std::size_t>(row)], scale);
      if (config_.qk_norm)
        rms_norm_gradient(
            raw.data() + row * raw.cols() + column, gain.data(), static_cast<const Scalar*>(head),
            dim, config_.rms_norm_eps,
            [&](Index k, const auto& lanes, const auto& values) { lanes.store(head + k, values); });
    }
  });
}

template <typename Scalar>
void LlamaBlock<Scalar>::apply(Linear linear, const Rows<Scalar>& x, Rows<Scalar> y,
                               const BlockWorkspace<Scalar>& work) {
  // A layer draws new masks at each call: when a pass is repeated they have to be the same.
  if (LoraPair<Scalar>* const pair = linear_[linear]->pair())
    pair->set_dropout_masks(work.dropout_masks);
  linear_[linear]->forward(constant(x), y);
}

template <typename Scalar>
void LlamaBlock<Scalar>::forward_to_gated(const ConstRows<Scalar>& x, const RowLayout& layout,
                                          BlockActivations<Scalar>& kept,
                                          BlockWorkspace<Scalar>& work,
                                          KeyValueRows<Scalar>* cache) {
  const Index count = x.rows(), hidden = config_.hidden_size;
  const double eps = config_.rms_norm_eps;
  const int threads = work.threads;
  Rows<Scalar> normed1 = kept.normed1.rows(count), normed2 = kept.normed2.rows(count);
  Rows<Scalar> q = kept.q.rows(count), k = kept.k.rows(count), v = kept.v.rows(count);
  Rows<Scalar> raw_q = config_.qk_norm ? kept.raw_q.rows(count) : q;
  Rows<Scalar> raw_k = config_.qk_norm ? kept.raw_k.rows(count) : k;
  for_rows(threads, count, [&](Index row) {
    rms_norm(x.data() + row * hidden, gain1_.data(), hidden, eps, &normed1(row, 0));
  });
  apply(q_proj, normed1, raw_q, work);
  apply(k_proj, normed1, raw_k, work);
  apply(v_proj, normed1, v, work);
  place_heads(raw_q, q, gain_q_, query_scale(), layout, work);
  place_heads(raw_k, k, gain_k_, Scalar(1), layout, work);

  Rows<Scalar> mixed = kept.mixed.rows(count), log_sum = kept.log_sum.rows(count);
  Rows<Scalar> keys = k, values = v;
  if (cache != nullptr) {
    cache->keys.middleRows(cache->used, count) = k;
    cache->values.middleRows(cache->used, count) = v;
    new (&keys) Rows<Scalar>(cache->keys);
    new (&values) Rows<Scalar>(cache->values);
  }
  work.attention.forward(make_view(constant(q)), make_view(constant(keys)),
                         make_view(constant(values)), layout.spans, make_view(mixed),
                         make_view(log_sum), threads);

  Rows<Scalar> middle = kept.middle.rows(count);
  apply(o_proj, mixed, middle, work);
  for_rows(threads, count, [&](Index row) {
    middle.row(row) += x.row(row);
    rms_norm(&middle(row, 0), gain2_.data(), hidden, eps, &normed2(row, 0));
  });
  Rows<Scalar> gate = kept.gate.rows(count), up = kept.up.rows(count);
  Rows<Scalar> gated = kept.gated.rows(count);
  apply(gate_proj, normed2, gate, work);
  apply(up_proj, normed2, up, work);
  for_rows(threads, count, [&](Index row) {
    swiglu(&gate(row, 0), &up(row, 0), config_.intermediate_size, &gated(row, 0));
  });
}

template <typename Scalar>
void LlamaBlock<Scalar>::forward(const ConstRows<Scalar>& x, const RowLayout& layout,
                                 BlockActivations<Scalar>& kept, BlockWorkspace<Scalar>& work,
                                 KeyValueRows<Scalar>* cache, Rows<Scalar> y) {
  forward_to_gated(x, layout, kept, work, cache);
  const Rows<Scalar> middle = kept.middle.rows(x.rows());
  apply(down_proj, kept.gated.rows(x.rows()), y, work);
  for_rows(work.threads, x.rows(), [&](Index row) { y.row(row) += middle.row(row); });
}

template <typename Scalar>
void LlamaBlock<Scalar>::repeat(const ConstRows<Scalar>& x, const RowLayout& layout,
                                BlockActivations<Scalar>& kept, BlockWorkspace<Scalar>& work) {
  forward_to_gated(x, layout, kept, work, nullptr);
}

template <typename Scalar>
void LlamaBlock<Scalar>::backward(const ConstRows<Scalar>& x, const RowLayout& layout,
                                  BlockActivations<Scalar>& kept, BlockWorkspace<Scalar>& work,
                                  Rows<Scalar> grad, bool passes_on) {
  const Index count = x.rows(), hidden = config_.hidden_size;
  const double eps = config_.rms_norm_eps;
  const int threads = work.threads;
  Rows<Scalar> first = work.grad_normed[0].rows(count), second = work.grad_normed[1].rows(count);
  Rows<Scalar> grad_gate = work.grad_gate.rows(count), grad_up = work.grad_up.rows(count);
  const Rows<Scalar> gate = kept.gate.rows(count), up = kept.up.rows(count);
  const ConstRows<Scalar> dy = constant(grad);

  linear_[down_proj]->backward(constant(kept.gated.rows(count)), dy, grad_up);
  for_rows(threads, count, [&](Index row) {
    swiglu_backward(&gate(row, 0), &up(row, 0), config_.intermediate_size, &grad_up(row, 0),
                    &grad_gate(row, 0));
  });
  const ConstRows<Scalar> normed2 = constant(kept.normed2.rows(count));
  linear_[gate_proj]->backward(normed2, constant(grad_gate), first);
  linear_[up_proj]->backward(normed2, constant(grad_up), second);
  const auto add_through_norm = [&](const Scalar* from, const lorapro::Buffer<Scalar>& gain,
                                    Index row) {
    Scalar* const to = &grad(row, 0);
    rms_norm_gradient(from, gain.data(), static_cast<const Scalar*>(&first(row, 0)), hidden, eps,
                      [&](Index k, const auto& lanes, const auto& values) {
                        lanes.store(to + k, lanes.load(to + k) + values);
                      });
  };
  const Rows<Scalar> middle = kept.middle.rows(count);
  for_rows(threads, count, [&](Index row) {
    first.row(row) += second.row(row);
    add_through_norm(&middle(row, 0), gain2_, row);
  });

  const ConstRows<Scalar> mixed = constant(kept.mixed.rows(count));
  Rows<Scalar> grad_mixed = work.grad_mixed.rows(count);
  linear_[o_proj]->backward(mixed, dy, grad_mixed);
  Rows<Scalar> grad_q = work.grad_q.rows(count), grad_k = work.grad_k.rows(count);
  Rows<Scalar> grad_v = work.grad_v.rows(count);
  work.attention.backward(
      make_view(constant(kept.q.rows(count))), make_view(constant(kept.k.rows(count))),
      make_view(constant(kept.v.rows(count))), make_view(mixed),
      make_view(constant(kept.log_sum.rows(count))), make_view(constant(grad_mixed)), layout.spans,
      make_view(grad_q), make_view(grad_k), make_view(grad_v), threads);
  unplace_heads(constant(kept.raw_q.rows(config_.qk_norm ? count : 0)), grad_q, gain_q_,
                query_scale(), layout, work);
  unplace_heads(constant(kept.raw_k.rows(config_.qk_norm ? count : 0)), grad_k, gain_k_, Scalar(1),
                layout, work);

  const ConstRows<Scalar> normed1 = constant(kept.normed1.rows(count));
  if (!passes_on) {
    linear_[q_proj]->backward(normed1, constant(grad_q));
    linear_[k_proj]->backward(normed1, constant(grad_k));
    linear_[v_proj]->backward(normed1, constant(grad_v));
    return;
  }
  Rows<Scalar> third = work.grad_normed[2].rows(count);
  linear_[q_proj]->backward(normed1, constant(grad_q), first);
  linear_[k_proj]->backward(normed1, constant(grad_k), second);
  linear_[v_proj]->backward(normed1, constant(grad_v), third);
  for_rows(threads, count, [&](Index row) {
    first.row(row) += second.row(row) + third.row(row);
    add_through_norm(x.data() + row * hidden, gain1_, row);
  });
}

template struct BlockActivations<float>;
template struct BlockActivations<double>;
template struct BlockWorkspace<float>;
template struct BlockWorkspace<double>;
template class LlamaBlock<float>;
template class LlamaBlock<double>;

}  // namespace examples::llm
