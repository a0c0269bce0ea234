#include "trainer/loss_terms.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/keyed_random.h"
#include "models/layers/autocast.h"
#include "models/losses.h"
#include "models/losses/distances.h"
#include "trainer/global_signature.h"
#include "trainer/loss_settings.h"

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

using Terms = std::vector<WeightedTerm>;

void add_identity(const proto::IdentityLoss& settings, const models::ModelOutput& output,
                  const at::Tensor& labels, Terms& terms) {
  for (const auto& [head, logits] : output.logits) {
    const double share = head == "identity" ? 1 : settings.auxiliary_weight();
    terms.push_back({head, settings.weight() * share, models::identity_loss(logits, labels)});
  }
}

void add_video_triplet(const proto::TripletLoss& settings, GlobalSignature& batch, Terms& terms) {
  const at::Tensor& candidates = batch.all("features");
  terms.push_back({"video_triplet", settings.weight(),
                   models::batch_hard_triplet_loss(
                       batch.own("features"), batch.own_labels(), candidates, batch.all_labels(),
                       settings.margin(), nullptr, settings.normalise())});
}

void add_part_triplet(const proto::PartTripletLoss& settings, GlobalSignature& batch,
                      Terms& terms) {
  const at::Tensor& candidates = batch.all("parts");
  terms.push_back({"part_triplet", settings.weight(),
                   models::part_triplet_loss(batch.own("parts"), batch.own_labels(), candidates,
                                             batch.all_labels(), settings.margin())});
}

void add_verification(const proto::VerificationLoss& settings, GlobalSignature& batch,
                      Terms& terms) {
  const at::Tensor first = batch.tuple_rows(2), second = first + 1;
  const at::Tensor& features = batch.all("features");
  const at::Tensor& labels = batch.all_labels();
  terms.push_back(
      {"verification", settings.weight(),
       models::verification_loss(features.index_select(0, first), features.index_select(0, second),
                                 labels.index_select(0, first).eq(labels.index_select(0, second)),
                                 settings.margin())});
}

void add_attentive_triplet(const proto::AttentiveTripletLoss& settings, GlobalSignature& batch,
                           Terms& terms) {
  const at::Tensor anchor = batch.tuple_rows(3);
  const auto rows = [&](const std::string& name, int64_t place) {
    return batch.all(name).index_select(0, anchor + place);
  };
  const auto vectors = [&](const std::string& name, int64_t place) {
    return settings.normalise() ? models::unit_rows(rows(name, place)) : rows(name, place);
  };
  if (batch.has("global")) {
    const auto distance_to = [&](int64_t place) {
      return models::global_distance(vectors("global", 0), vectors("global", place));
    };
    terms.push_back({"global_triplet", settings.weight(),
                     models::hinge_of_triplets(distance_to(1), distance_to(2),
                                               settings.global_margin(), "global_triplet")});
  }
  if (batch.has("parts")) {
    const auto distance_to = [&](int64_t place) {
      return models::attentive_distance(vectors("parts", 0), rows("attention", 0),
                                        vectors("parts", place), rows("attention", place));
    };
    terms.push_back({"local_triplet", settings.weight() * settings.part_weight(),
                     models::hinge_of_triplets(distance_to(1), distance_to(2),
                                               settings.part_margin(), "local_triplet")});
  }
}

void add_heat_map(const proto::HeatMapLoss& settings, const models::ModelOutput& output,
                  Terms& terms) {
  terms.push_back({"heat_map", settings.weight(),
                   models::heat_map_loss(output.signature.at("heat_maps"), output.targets)});
}

// A pair's chance is that of its anchor, apart from the anchor's own and of its other pair.
std::vector<uint64_t> pair_keys(const models::ForwardContext& context, const at::Tensor& anchors) {
  std::vector<uint64_t> keys;
  if (context.clip_keys.empty()) return keys;
  const at::Tensor rows = anchors.to(at::kCPU);
  for (const uint64_t kind : {uint64_t{1}, uint64_t{2}}) {
    for (int64_t i = 0; i < anchors.size(0); ++i) {
      const auto anchor = static_cast<size_t>(rows[i].item<int64_t>());
      keys.push_back(common::combined_key({context.clip_keys.at(anchor), kind}));
    }
  }
  return keys;
}

// Pairs are mined among the vectors that the triplet loss compares: of unit length where it has
// them so.
void add_pair(const proto::Loss& loss, const PairJudge& judge, GlobalSignature& batch,
              Terms& terms) {
  const models::Signature& all = batch.all();
  const auto compared = [&](const at::Tensor& features) {
    return loss.video_triplet().normalise() ? models::unit_rows(features.detach()) : features;
  };
  const models::JudgedPairs pairs =
      batch.has("features")
          ? models::mine_pairs(compared(batch.own("features")), batch.own_labels(),
                               compared(all.at("features")), batch.all_labels(), batch.first_row())
          : models::neighbouring_pairs(batch.own_labels(), batch.all_labels(), batch.first_row());
  const at::Tensor anchors = pairs.anchors + batch.first_row();
  const auto rows = [&](const at::Tensor& index) {
    models::Signature chosen;
    for (const auto& [name, value] : all) chosen[name] = value.index_select(0, index);
    return chosen;
  };
  models::ForwardContext context = *judge.context;
  context.clip_keys = pair_keys(*judge.context, pairs.anchors);
  const models::Signature first = rows(at::cat({anchors, anchors}));
  const models::Signature second = rows(at::cat({pairs.positives, pairs.negatives}));
  at::Tensor logits;
  {
    const models::Autocast autocast(first.begin()->second.device().type(), judge.products);
    logits = models::in_full_precision(judge.model->pair_logits(first, second, context));
  }
  const int64_t each = anchors.size(0);
  const at::Tensor same = at::arange(2 * each, anchors.options()).lt(each);
  terms.push_back({"pair", loss.pair().weight(), models::pair_loss(logits, same)});
}

// The order is the same on every rank: gathering is collective.
Terms local_terms(const proto::Loss& settings, const models::ModelOutput& output,
                  const at::Tensor& labels, GlobalSignature& batch, const PairJudge& judge) {
  Terms terms;
  if (settings.has_identity()) add_identity(settings.identity(), output, labels, terms);
  if (settings.has_video_triplet()) add_video_triplet(settings.video_triplet(), batch, terms);
  if (settings.has_part_triplet()) add_part_triplet(settings.part_triplet(), batch, terms);
  if (settings.has_verification()) add_verification(settings.verification(), batch, terms);
  if (settings.has_attentive_triplet()) {
    add_attentive_triplet(settings.attentive_triplet(), batch, terms);
  }
  if (settings.has_heat_map()) add_heat_map(settings.heat_map(), output, terms);
  if (settings.has_pair()) add_pair(settings, judge, batch, terms);
  return terms;
}

}  // namespace

StepLosses step_losses(const proto::Loss& settings, const models::ModelOutput& output,
                       const at::Tensor& labels, const std::vector<int64_t>& counts,
                       Communicator& communicator, const PairJudge& judge) {
  require_loss(settings);
  require_network(settings, output, judge.model != nullptr);
  GlobalSignature batch(output.signature, labels, counts, communicator);
  const Terms terms = local_terms(settings, output, labels, batch, judge);
  const std::vector<double> sums = summed_over_ranks(terms, communicator);
  StepLosses result;
  size_t position = 0;
  for (const WeightedTerm& item : terms) {
    const double sum = sums[position++];
    const double count = std::max(1.0, sums[position++]);  // nothing to judge: 0
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
