// The signatures of the global batch, each tensor gathered once and when first asked for.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "models/model.h"
#include "trainer/communicator.h"

namespace muster::trainer {

// Collective: every rank asks for the same things in the same order. Gradients flow back to the
// rank that a row came from.
class GlobalSignature {
 public:
  // `labels` int64 [clips] of this rank, `counts` clips per rank. References must outlive it.
  GlobalSignature(const models::Signature& own, const at::Tensor& labels,
                  const std::vector<int64_t>& counts, Communicator& communicator);

  const at::Tensor& own(const std::string& name) const { return own_.at(name); }
  const at::Tensor& own_labels() const { return own_labels_; }
  bool has(const std::string& name) const { return own_.count(name) > 0; }
  const at::Tensor& all(const std::string& name);  // [all clips, ...]
  const models::Signature& all();                  // every tensor
  const at::Tensor& all_labels();                  // [all clips]

  // The row of this rank's first clip.
  int64_t first_row() const { return first_row_; }
  // Rows 0, n, 2 n, ... that lie in this rank's share: where its tuples of n clips begin. A tuple
  // belongs to the rank of its first clip. Requires that the batch is made of such tuples.
  at::Tensor tuple_rows(int64_t n) const;

 private:
  const models::Signature& own_;
  const at::Tensor own_labels_;
  const std::vector<int64_t>& counts_;
  Communicator& communicator_;
  int64_t first_row_ = 0, rows_ = 0;
  models::Signature all_;
  at::Tensor all_labels_;
};

}  // namespace muster::trainer
