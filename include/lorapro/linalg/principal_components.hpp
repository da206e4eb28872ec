// SPDX-FileCopyrightText: 2026 the lorapro authors
// SPDX-License-Identifier: MIT
#pragma once

#include <lorapro/core/error.hpp>
#include <lorapro/core/finite.hpp>
#include <lorapro/linalg/leading_svd.hpp>

#include <algorithm>  // std::min
#include <cmath>      // std::sqrt

LORAPRO_NAMESPACE_BEGIN

/// The leading principal components of rows that come in batches, of which none is kept: with N rows
/// of mean mu seen, components V and singular values sigma, c new rows x of mean mu' give
///
///     [diag(sigma) V; x - mu'; sqrt(N c / (N + c)) (mu - mu')] = U diag(sigma) V
///
/// cut to k components. After one batch, and for any number of them while nothing is cut (k as large
/// as the rank of all rows), they are exact. The largest entry of each component is positive.
/// \ref Ross, Lim, Lin, Yang, Incremental Learning for Robust Visual Tracking, IJCV 2008.
class PrincipalComponents {
 public:
  /// \param features  of a row. \param most  k >= 1, components that are kept.
  /// \param centred   false: rows as they are, without their mean taken out.
  /// \throws ConfigError.
  PrincipalComponents(Index features, Index most, bool centred = true)
      : most_(most), centred_(centred), components_(0, features), mean_(features) {
    checks::config(features >= 1, "features", "a number >= 1", features);
    checks::config(most >= 1, "most", "a number >= 1", most);
    mean_.setZero();
  }

  /// \param x  (rows, features), at least one row; any Eigen matrix of float or double.
  /// \cost 20 (k + rows) n min(k + rows, n) flops; on the heap.
  /// \throws ShapeError, ConfigError (a number that is not finite); nothing has changed then.
  template <typename Derived>
  void add(const Eigen::MatrixBase<Derived>& x) {
    checks::shape("x", x.rows(), x.cols(), x.rows(), features());
    if (x.rows() < 1) throw ShapeError("x: expected at least one row, got none");
    Eigen::MatrixXd rows = x.template cast<double>();
    for (Index k = 0; k < rows.size(); ++k)
      if (!is_finite(rows.data()[k]))
        throw ConfigError("x: expected finite numbers, got one that is not");
    const auto seen = static_cast<double>(rows_), added = static_cast<double>(rows.rows());
    Eigen::RowVectorXd shift = Eigen::RowVectorXd::Zero(features());  // of the mean
    if (centred_) {
      const Eigen::RowVectorXd mean = rows.colwise().mean();
      rows.rowwise() -= mean;
      shift = mean - mean_;
    }
    const double weight = seen * added / (seen + added);
    Eigen::MatrixXd all(components_.rows() + rows.rows() + 1, features());
    all << values_.asDiagonal() * components_, rows, std::sqrt(weight) * shift;
    LeadingSvd svd = leading_svd(all, (std::min)({most_, all.rows() - 1, features()}));
    orient_columns(svd.right, svd.left);
    components_ = svd.right.transpose();
    values_ = svd.values;
    total_ += rows.squaredNorm() + weight * shift.squaredNorm();
    mean_ += added / (seen + added) * shift;
    rows_ += rows.rows();
  }

  Index features() const { return components_.cols(); }
  /// Rows seen so far.
  Index rows() const { return rows_; }
  /// Of the rows; 0 where they are not centred.
  const Eigen::RowVectorXd& mean() const { return mean_; }
  /// (components, features), orthonormal rows, the one of the largest value first.
  const Eigen::MatrixXd& components() const { return components_; }
  const Eigen::VectorXd& singular_values() const { return values_; }
  /// Of the sum of all squares about the mean; 0 where that is 0.
  Eigen::VectorXd explained_variance_ratio() const {
    if (total_ == 0) return Eigen::VectorXd::Zero(values_.size());
    return values_.cwiseAbs2() / total_;
  }

 private:
  Index most_;
  bool centred_;
  Index rows_ = 0;
  Eigen::MatrixXd components_;
  Eigen::VectorXd values_;
  Eigen::RowVectorXd mean_;
  double total_ = 0;
};

LORAPRO_NAMESPACE_END
