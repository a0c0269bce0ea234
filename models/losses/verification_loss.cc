#include "models/losses/verification_loss.h"

#include <ATen/ATen.h>

#include "common/error.h"
#include "models/losses/distances.h"

namespace muster::models {

LossTerm verification_loss(const at::Tensor& first, const at::Tensor& second,
                           const at::Tensor& same_person, double margin) {
  MUSTER_REQUIRE(first.sizes(), ==, second.sizes());
  MUSTER_REQUIRE(first.size(0), ==, same_person.size(0));
  const at::Tensor distances = row_distances(first, second);
  const at::Tensor pull = (first - second).pow(2).sum(-1);
  const at::Tensor push = (margin - distances).clamp_min(0);
  const at::Tensor same = same_person.to(first.scalar_type()), other = 1 - same;
  LossTerm term;
  term.count = first.size(0);
  term.sum = (same * pull + other * push).sum();
  term.statistics["same_pair_share"] = same.sum().item<double>();
  term.statistics["same_pair_distance"] = (same * distances).sum().item<double>();
  term.statistics["other_pair_distance"] = (other * distances).sum().item<double>();
  return term;
}

}  // namespace muster::models
