#include "trainer/parameter_agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <string>

#include "common/crc32c.h"
#include "common/error.h"

namespace muster::trainer {
namespace {

std::vector<int64_t> checksums(const models::NamedTensors& weights) {
  std::vector<int64_t> sums;
  for (const auto& [name, value] : weights) {
    const at::Tensor bytes = value.detach().cpu().contiguous();
    sums.push_back(common::crc32c(bytes.data_ptr(), bytes.nbytes()));
  }
  return sums;
}

// [ranks][own.size()]
std::vector<std::vector<int64_t>> of_all_ranks(const std::vector<int64_t>& own,
                                               Communicator& communicator) {
  const auto ranks = static_cast<size_t>(communicator.size());
  std::vector<int64_t> all(ranks * own.size());
  communicator.all_gather(own.data(), all.data(),
                          std::vector<int64_t>(ranks, static_cast<int64_t>(own.size())),
                          ElementType::kInt64);
  std::vector<std::vector<int64_t>> result;
  for (size_t rank = 0; rank < ranks; ++rank) {
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(rank * own.size());
    result.emplace_back(first, first + static_cast<std::ptrdiff_t>(own.size()));
  }
  return result;
}

// The lowest rank of the largest group of equal ones.
size_t rank_of_the_majority(const std::vector<std::vector<int64_t>>& sums) {
  std::map<std::vector<int64_t>, size_t> votes;
  for (const auto& of_rank : sums) ++votes[of_rank];
  size_t best = 0;
  for (size_t rank = 1; rank < sums.size(); ++rank) {
    if (votes.at(sums[rank]) > votes.at(sums[best])) best = rank;
  }
  return best;
}

[[noreturn]] void tell_disagreement(const std::vector<std::vector<int64_t>>& sums,
                                    const models::NamedTensors& weights, int64_t step) {
  const size_t majority = rank_of_the_majority(sums);
  std::string ranks;
  size_t first = weights.size(), differing = 0;
  for (size_t rank = 0; rank < sums.size(); ++rank) {
    if (sums[rank] == sums[majority]) continue;
    ranks += (differing++ == 0 ? "" : ", ") + std::to_string(rank);
    for (size_t i = 0; i < first; ++i) {
      if (sums[rank][i] != sums[majority][i]) first = i;
    }
  }
  const auto agreeing = std::count(sums.begin(), sums.end(), sums[majority]);
  throw common::SystemError(
      (differing == 1 ? "rank " : "ranks ") + ranks,
      "after step " + std::to_string(step) + " the weights differ from those of rank " +
          std::to_string(majority) +
          (agreeing > 1 ? " and " + std::to_string(agreeing - 1) + " more" : "") + ", first in " +
          weights[first].first,
      "suspect memory or software of the machine of that rank, and go on from an earlier "
      "checkpoint");
}

}  // namespace

int64_t steps_between_checks(const proto::Training& training) {
  const int64_t steps = training.check_parameters_every();
  if (steps >= 0) return steps;
  throw common::InputError("training.check_parameters_every",
                           std::to_string(steps) + " is negative");
}

void require_agreement(const models::NamedTensors& weights, int64_t step,
                       Communicator& communicator) {
  if (communicator.size() == 1) return;
  const std::vector<int64_t> own = checksums(weights);
  // One number for each rank in the good case. A change of up to 32 bits in a row shows for
  // certain.
  const int64_t whole = common::crc32c(own.data(), own.size() * sizeof(int64_t));
  const auto of_ranks = of_all_ranks({whole}, communicator);
  bool all_equal = true;
  for (const auto& of_rank : of_ranks) all_equal = all_equal && of_rank == of_ranks.front();
  if (!all_equal) tell_disagreement(of_all_ranks(own, communicator), weights, step);
}

}  // namespace muster::trainer
