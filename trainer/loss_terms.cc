#include "trainer/loss_terms.h"

#include <ATen/ATen.h>

#include <cmath>

#include "common/error.h"
#include "models/losses.h"
#include "trainer/rank_tensors.h"

namespace muster::trainer {
namespace {

struct WeightedTerm {
  std::string name;
  double weight;
  models::LossTerm term;
};

// Sums of values and counts of all terms over the ranks, in one message.
std::vector<double> summed_over_ranks(const std::vector<WeightedTerm>& terms,
                                      Communicator& communicator) {
  std::vector<double> values;
  for (const WeightedTerm& item : terms) {
    values.push_back(item.term.sum.item<double>());
    values.push_back(static_cast<double>(item.term.count));
    for (const auto& [name, value] : item.term.statistics) values.push_back(value);
  }
  communicator
      .all_reduce_sum(values.data(), static_cast<int64_t>(values.size()), ElementType::kFloat64)
      ->wait();
  return values;
}

std::vector<WeightedTerm> local_terms(const proto::Loss& settings,
                                      const models::ModelOutput& output, const at::Tensor& labels,
                                      const std::vector<int64_t>& counts,
                                      Communicator& communicator) {
  std::vector<WeightedTerm> terms;
  if (settings.has_identity()) {
    MUSTER_REQUIRE(output.logits.empty(), ==, false);
    for (const auto& [head, logits] : output.logits) {
      terms.push_back({head, settings.identity().weight(), models::identity_loss(logits, labels)});
    }
  }
  if (settings.has_video_triplet()) {
    const at::Tensor& anchors = output.signature.at("features");
    const at::Tensor candidates = gather_rows(anchors, counts, communicator);
    const at::Tensor candidate_labels = gather_constant_rows(labels, counts, communicator);
    terms.push_back({"video_triplet", settings.video_triplet().weight(),
                     models::batch_hard_triplet_loss(anchors, labels, candidates, candidate_labels,
                                                     settings.video_triplet().margin())});
  }
  return terms;
}

}  // namespace

void require_loss(const proto::Loss& settings) {
  const auto demand = [](double value, const std::string& field) {
    if (value >= 0 && std::isfinite(value)) return;
    throw common::InputError("training.loss." + field,
                             std::to_string(value) + " is not a number of at least 0");
  };
  demand(settings.identity().weight(), "identity.weight");
  demand(settings.video_triplet().weight(), "video_triplet.weight");
  demand(settings.video_triplet().margin(), "video_triplet.margin");
  if (settings.has_identity() || settings.has_video_triplet()) return;
  throw common::InputError("training.loss", "names no loss",
                           "add for example: loss { identity {} video_triplet {} }");
}

StepLosses step_losses(const proto::Loss& settings, const models::ModelOutput& output,
                       const at::Tensor& labels, const std::vector<int64_t>& counts,
                       Communicator& communicator) {
  require_loss(settings);
  const std::vector<WeightedTerm> terms =
      local_terms(settings, output, labels, counts, communicator);
  const std::vector<double> sums = summed_over_ranks(terms, communicator);
  StepLosses result;
  size_t position = 0;
  for (const WeightedTerm& item : terms) {
    const double sum = sums[position++];
    const double count = sums[position++];
    result.losses[item.name] = sum / count;
    result.total += item.weight * sum / count;
    const at::Tensor share = item.term.sum * (item.weight / count);
    result.local_total = result.local_total.defined() ? result.local_total + share : share;
    for (const auto& [name, value] : item.term.statistics) {
      result.statistics[name] = sums[position++] / count;
    }
  }
  return result;
}

}  // namespace muster::trainer
