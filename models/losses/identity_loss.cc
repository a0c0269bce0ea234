#include "models/losses/identity_loss.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::models {

LossTerm identity_loss(const at::Tensor& logits, const at::Tensor& labels) {
  MUSTER_REQUIRE(logits.size(0), ==, labels.size(0));
  LossTerm term;
  const int64_t identities = logits.size(-1);
  const int64_t rows = identities > 0 ? logits.numel() / identities : 0;
  const int64_t rows_per_clip = labels.size(0) > 0 ? rows / labels.size(0) : 0;
  const at::Tensor log_probability = at::log_softmax(logits.reshape({rows, identities}), 1);
  term.sum = -log_probability.gather(1, labels.repeat_interleave(rows_per_clip).unsqueeze(1)).sum();
  term.count = rows;
  return term;
}

}  // namespace muster::models
