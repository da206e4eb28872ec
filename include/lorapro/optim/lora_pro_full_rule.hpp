// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/adjust/full_moments_kernel.hpp>
#include <lorapro/optim/dense_state.hpp>
#include <lorapro/optim/lora_pro_step.hpp>

#include <atomic>  // std::atomic
#include <memory>  // std::unique_ptr
#include <thread>  // std::this_thread::yield

LORAPRO_NAMESPACE_BEGIN

/// LoRA-Pro AdamW with full moments: Adam on the equivalent gradient E in W coordinates, whose
/// normalised direction H is then projected on the factors again.
///
/// 1. (dA, dB) from (grad_A, grad_B);  E = s (B dA + dB A)
/// 2. exp_avg = beta1 exp_avg + (1 - beta1) E;  exp_avg_sq = beta2 exp_avg_sq + (1 - beta2) E.^2
/// 3. H = exp_avg / (1 - beta1^t) / (sqrt(exp_avg_sq / (1 - beta2^t)) + eps)
/// 4. hA = s B^T H, hB = s H A^T; the adjusted (hA, hB), with the same spectra, is the step
///
/// State 2 m n of Storage. The moments need no transport when the factors change.
/// \tparam Storage  Scalar, or bfloat16: exp_avg_sq is then rounded stochastically, so that it
///                  decays (round_stochastic says why), exp_avg to nearest.
/// \cost per pair 8 r m n + 14 m n + 13 r^2 (m + n) + r^2 n flops; one pass over the moments.
/// \ref arXiv:2407.18242v3, algorithm 2.
template <typename Storage>
struct LoraPro<FullMoments<Storage>> {
  static constexpr const char* kName = "LoraPro<FullMoments>";

  template <typename Scalar>
  struct PairState {
    static_assert(std::is_same_v<Storage, Scalar> || std::is_same_v<Storage, bfloat16>,
                  "FullMoments: Storage must be the optimizer's Scalar or bfloat16");

    PairState(Index out_features, Index in_features, Index rank)
        : adjusted(rank),
          moments(out_features, in_features),
          blocks_(in_features),
          progress_(new std::atomic<Index>[static_cast<std::size_t>(blocks_.count())]) {}
    template <typename Visitor>
    void visit(Visitor&& visitor) {
      using Tensor = MomentTensor<Scalar, Storage>;
      visitor("exp_avg", Tensor(moments, Moments::kExpAvg));
      visitor("exp_avg_sq", Tensor(moments, Moments::kExpAvgSq));
    }
    static Index scratch_size(Index rank) {
      return (std::max)(4 * panel_size(rank), full_moments_scratch_size<Scalar>(rank));
    }
    static Index shared_scratch_size(Index out_features, Index in_features, Index rank) {
      return Buffers::size(rank, out_features, in_features);
    }
    static Index work(Index out_features, Index in_features, Index /*rank*/) {
      return out_features * in_features;
    }
    static Index wide_scratch_size(Index rank) { return PairSolver::scratch_size(rank); }

    PairSolver& measure(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      return detail::measure_adjusted(pair, context, adjusted, team);
    }

    Preparation prepare(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const auto max = static_cast<double>((std::numeric_limits<Scalar>::max)());
      Preparation result = detail::prepare_adjusted<Scalar>(pair, context, max, adjusted, team);
      if (!result.report.usable()) return result;
      // Half of the root: rounding exp_avg_sq up in bfloat16 must not reach infinity either.
      const detail::SecondStepBound bound(pair, context, adjusted.solver);
      if (!detail::is_below(bound.equivalent(adjusted.solver), std::sqrt(max) / 2) ||
          !detail::is_below(second_step_bound(pair, context, bound), max))
        result.report.status = AdjustStatus::overflow;
      return result;
    }

    void update(const Pair& pair, const StepContext& context, const Team<Scalar>& team) {
      const OptimizerConfig& config = *context.config;
      const Index r = pair.rank, m = pair.out_features, n = pair.in_features;
      const FullMomentsConstants<Scalar> constants(*config.beta1, config.beta2, config.eps,
                                                   context.step);
      const Buffers buffers(team.own().scalars + scratch_size(r), r, m, n);

      adjusted.solver.coefficients().scale(context.clip * pair.model.scaling *
                                           constants.gradient_scale);
      (void)adjusted.combine(pair);
      team.parallel(2, [&](Index side, const Scratch<Scalar>& scratch) {
        if (side == 0) {
          pack(pair.model.lora_A, pair.model.grad_A, adjusted.combination_A, Tile::kCols, r, 0,
               buffers.cols, scratch);
        } else {
          pack(pair.model.lora_B, pair.model.grad_B, adjusted.combination_B, Tile::kRows, 0, r,
               buffers.rows, scratch);
        }
      });
      pass(constants, context.rounding_key, buffers, team);
      const AdjustOptions options = context.adjust_options();
      const bool fixed_A = fixes_A(options.free_factor);
      PairSolver& solver = adjusted.solver;
      Wide* const gram = solver.grad_gram_A();
      team.parallel(2, [&](Index side, const Scratch<Scalar>& scratch) {
        if (side == 0) {
          cross(buffers.back_A, Tile::kCols, pair.model.lora_A, solver.cross_A(),
                fixed_A ? gram : nullptr, scratch);
        } else {
          cross(buffers.back_B, Tile::kRows, pair.model.lora_B, solver.cross_B(),
                fixed_A ? nullptr : gram, scratch);
        }
      });
      // What came back lacks s.
      const double direction_norm = (std::max)(
          constants.direction_scale * solver.direction_norm(gram, 1.0, options, team.own().wide),
          detail::least_direction_norm(pair));
      // second_step_bound has excluded an overflow.
      (void)solver.project(pair.model.scaling, options, direction_norm,
                           pair.model.scaling * constants.direction_scale, team.own().wide);
      (void)adjusted.combine(pair);
      apply_step(pair.model.lora_A, pair.master_A, adjusted.combination_A, buffers.back_A,
                 Tile::kCols, context, team);
      apply_step(pair.model.lora_B, pair.master_B, adjusted.combination_B, buffers.back_B,
                 Tile::kRows, context.of_B(), team);
    }

    detail::AdjustedPair<Scalar> adjusted;
    MomentTiles<Scalar, Storage> moments;

   private:
    using Moments = MomentTiles<Scalar, Storage>;
    using Buffers = FullMomentsBuffers<Scalar>;
    using Tile = TileShape<Scalar>;

    /// Upper bound of the norms of the second adjusted gradient and of what the update holds in
    /// Scalar on the way: coefficients, s dA, s dB and the products with the direction.
    double second_step_bound(const Pair& pair, const StepContext& context,
                             const detail::SecondStepBound& bound) const {
      const OptimizerConfig& config = *context.config;
      const double direction =
          detail::adam_direction_bound(config) *
          std::sqrt(static_cast<double>(pair.out_features) * static_cast<double>(pair.in_features));
      // The direction and the coefficients share direction_scale in a way of their own.
      const double scale =
          FullMomentsConstants<Scalar>(*config.beta1, config.beta2, config.eps, context.step)
              .direction_scale;
      const double scaling = (std::max)(1.0, std::abs(pair.model.scaling));
      return (std::max)(
          {2 * (std::max)(1.0, context.largest_lr()) * bound.step(direction),
           scaling * (std::max)(1.0, scale) * bound.inverse(),
           (std::max)(bound.norm_A(), bound.norm_B()) * direction * (std::max)(1.0, 1 / scale),
           scaling * (std::max)(adjusted.solver.bound_A(), adjusted.solver.bound_B()),
           scaling * largest_coefficient()});
    }

    double largest_coefficient() const {
      const AdjustCoefficients& c = adjusted.solver.coefficients();
      double largest = 0;
      for (const Wide* matrix : {c.on_grad_A(), c.on_A(), c.on_grad_B(), c.on_B()})
        for (Index k = 0; k < adjusted.solver.rank() * adjusted.solver.rank(); ++k)
          largest = (std::max)(largest, std::abs(matrix[k]));
      return largest;
    }

    /// Packs a factor f and its step, s (1 - beta1) (on_grad g + on_factor f), into tiles of
    /// \p tile_length positions: (2 rank, tile_length) each, f from row factor_row, the step from
    /// row step_row.
    static void pack(const FactorView& factor, const FactorView& grad,
                     const FactorCombination<Scalar>& combination, Index tile_length,
                     Index factor_row, Index step_row, Scalar* tiles,
                     const Scratch<Scalar>& scratch) {
      Scalar* const panels = scratch.scalars;
      const PanelLayout layout(factor);
      const Index r = factor.rank, size = panel_size(r);
      const Index last = (factor.length - 1) / tile_length;
      std::fill(tiles + 2 * last * r * tile_length, tiles + 2 * (last + 1) * r * tile_length,
                Scalar(0));
      for (Index panel = 0; panel < layout.count(); ++panel) {
        const auto f = read_panel(factor, layout, panel, panels);
        const auto g = read_panel(grad, layout, panel, panels + size);
        const Panel<Scalar> d{panels + 2 * size, layout.stride()};
        combination.apply(layout, panel, f, g, d, scratch.wide);
        for_tile_pieces(layout, panel, tile_length,
                        [&](Index tile, Index offset, Index from, Index count) {
                          Scalar* const target = tiles + 2 * tile * r * tile_length + offset;
                          copy_piece(layout, f.data, f.stride, from, count,
                                     target + factor_row * tile_length, tile_length);
                          copy_piece(layout, d.data, d.stride, from, count,
                                     target + step_row * tile_length, tile_length);
                        });
      }
    }

    /// Positions [from, from + count) of a panel to rows of a tile, rank first.
    static void copy_piece(const PanelLayout& layout, const Scalar* panel, Index stride, Index from,
                           Index count, Scalar* tile, Index tile_length) {
      const Index along_rank = layout.position_major() ? 1 : stride;
      const Index along_length = layout.position_major() ? stride : 1;
      for (Index k = 0; k < layout.rank(); ++k)
        for (Index i = 0; i < count; ++i)
          tile[k * tile_length + i] = panel[k * along_rank + (from + i) * along_length];
    }

    /// A panel out of tiles (rank, tile_length).
    static Panel<const Scalar> unpack(const Scalar* tiles, Index tile_length,
                                      const PanelLayout& layout, Index panel, Scalar* out) {
      const Index r = layout.rank(), stride = layout.stride();
      const Index along_rank = layout.position_major() ? 1 : stride;
      const Index along_length = layout.position_major() ? stride : 1;
      for_tile_pieces(
          layout, panel, tile_length, [&](Index tile, Index offset, Index from, Index count) {
            const Scalar* const source = tiles + tile * r * tile_length + offset;
            for (Index k = 0; k < r; ++k)
              for (Index i = 0; i < count; ++i)
                out[k * along_rank + (from + i) * along_length] = source[k * tile_length + i];
          });
      return {out, stride};
    }

    /// Calls f(tile, offset in the tile, offset in the panel, count) for the pieces of a panel.
    template <typename F>
    static void for_tile_pieces(const PanelLayout& layout, Index panel, Index tile_length,
                                const F& f) {
      const Index width = layout.width(panel);
      for (Index from = 0; from < width;) {
        const Index position = panel * kPanelWidth + from, offset = position % tile_length;
        const Index count = (std::min)(tile_length - offset, width - from);
        f(position / tile_length, offset, from, count);
        from += count;
      }
    }

    /// cross = h f^T and, where there is a place for it, gram = h h^T in the wide scalar.
    static void cross(const Scalar* tiles, Index tile_length, const FactorView& factor, Wide* out,
                      Wide* gram, const Scratch<Scalar>& scratch) {
      const WidePanels panels(factor);
      const Index r = factor.rank;
      std::fill(out, out + r * r, 0.0);
      if (gram != nullptr) std::fill(gram, gram + r * r, 0.0);
      for (Index panel = 0; panel < panels.count(); ++panel) {
        const auto h = unpack(tiles, tile_length, panels.source(), panel, scratch.scalars);
        const auto wide = panels.convert(panel, h, scratch.wide);
        panels.add_products(panel, wide,
                            panels.read(factor, panel, scratch.wide + WidePanels::size(r)), out);
        if (gram != nullptr) panels.add_gram(panel, wide, gram);
      }
      if (gram != nullptr) detail::mirror(r, gram);
    }

    static void apply_step(const FactorView& model, const FactorView& master,
                           const FactorCombination<Scalar>& combination, const Scalar* tiles,
                           Index tile_length, const StepContext& context,
                           const Team<Scalar>& team) {
      const PanelLayout layout(model);
      const Index size = panel_size(model.rank);
      detail::update_parameter(
          model, master, team,
          [&](Index panel, const Panel<Scalar>& value, const Scratch<Scalar>& scratch) {
            Scalar* const panels = scratch.scalars;
            const auto f = read_panel(model, layout, panel, panels + size);
            const auto h = unpack(tiles, tile_length, layout, panel, panels + 2 * size);
            const Panel<Scalar> d{panels + 3 * size, layout.stride()};
            combination.apply(layout, panel, f, h, d, scratch.wide);
            detail::descend_panel(context.decay, context.lr, layout, panel,
                                  Panel<const Scalar>{d.data, d.stride}, value);
          });
    }

    /// The pass over the moments. Blocks of columns run at the same time, each behind the one
    /// before it, so that hB is summed in their order.
    void pass(const FullMomentsConstants<Scalar>& constants, std::uint64_t rounding_key,
              const Buffers& buffers, const Team<Scalar>& team) {
      for (Index block = 0; block < blocks_.count(); ++block)
        progress_[static_cast<std::size_t>(block)].store(0, std::memory_order_relaxed);
      team.parallel(blocks_.count(), [&](Index block, const Scratch<Scalar>& scratch) {
        const auto wait_for_turn = [&](Index group) {
          if (block == 0) return;
          const auto& before = progress_[static_cast<std::size_t>(block - 1)];
          while (before.load(std::memory_order_acquire) <= group) std::this_thread::yield();
        };
        const auto finished = [&](Index group) {
          progress_[static_cast<std::size_t>(block)].store(group + 1, std::memory_order_release);
        };
        full_moments_block(constants, adjusted.solver.rank(), blocks_.first_tile(block),
                           blocks_.first_tile(block + 1), moments, rounding_key, buffers,
                           scratch.scalars, wait_for_turn, finished);
      });
    }

    FullMomentsBlocks<Scalar> blocks_;
    std::unique_ptr<std::atomic<Index>[]> progress_;  // groups of tiles that a block has finished
  };

  template <typename Scalar>
  using DenseState = DenseAdamWState<Scalar>;
};

LORAPRO_NAMESPACE_END
