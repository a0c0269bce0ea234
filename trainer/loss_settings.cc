#include "trainer/loss_settings.h"

#include <ATen/ATen.h>

#include <cmath>
#include <initializer_list>

#include "common/error.h"
#include "common/number_text.h"

namespace muster::trainer {
namespace {

using common::InputError;

std::string loss_field(const std::string& field) { return "training.loss." + field; }

std::string without(const std::string& term) {
  return "leave it out: --set " + loss_field(term) + "=off";
}

void demand_sampler(const std::string& term, const proto::Batch& batch,
                    std::initializer_list<proto::Sampler> served) {
  std::string names;
  for (const proto::Sampler sampler : served) {
    if (batch.sampler() == sampler) return;
    names += (names.empty() ? "" : " or ") + proto::Sampler_Name(sampler);
  }
  throw InputError(
      loss_field(term),
      "has no meaning with training.batch.sampler " + proto::Sampler_Name(batch.sampler()),
      "choose sampler " + names);
}

std::string names_of(const models::Signature& signature) {
  std::string names;
  for (const auto& [name, value] : signature) names += (names.empty() ? "" : ", ") + name;
  return names.empty() ? "nothing" : names;
}

// Tensor `name` with `axes` axes.
void demand_tensor(const std::string& term, const models::Signature& signature,
                   const std::string& name, int64_t axes) {
  const auto found = signature.find(name);
  if (found != signature.end() && found->second.dim() == axes) return;
  throw InputError(loss_field(term),
                   "wants '" + name + "' with " + std::to_string(axes) +
                       " axes in the network's signature, which holds " + names_of(signature),
                   without(term));
}

// What the loss takes of the branches that are there; settings of one that is not are refused.
void require_branches(const proto::AttentiveTripletLoss& settings,
                      const models::Signature& signature) {
  const std::string term = "attentive_triplet";
  const bool global = signature.count("global") > 0, parts = signature.count("parts") > 0;
  if (global || !parts) demand_tensor(term, signature, "global", 2);
  if (parts) {
    demand_tensor(term, signature, "parts", 3);
    demand_tensor(term, signature, "attention", 2);
  }
  const auto refuse = [&](const char* field, const char* branch) {
    throw InputError(loss_field(term + "." + field),
                     std::string("has no meaning: the network has no ") + branch + " branch");
  };
  if (!global && settings.has_global_margin()) refuse("global_margin", "global");
  if (!parts && settings.has_part_margin()) refuse("part_margin", "part");
  if (!parts && settings.has_part_weight()) refuse("part_weight", "part");
}

}  // namespace

void require_loss(const proto::Loss& settings) {
  const auto demand = [](double value, const std::string& field) {
    if (value >= 0 && std::isfinite(value)) return;
    throw InputError(loss_field(field),
                     common::number_text(value) + " is not a number of at least 0");
  };
  demand(settings.identity().weight(), "identity.weight");
  demand(settings.identity().auxiliary_weight(), "identity.auxiliary_weight");
  demand(settings.video_triplet().weight(), "video_triplet.weight");
  demand(settings.video_triplet().margin(), "video_triplet.margin");
  demand(settings.part_triplet().weight(), "part_triplet.weight");
  demand(settings.part_triplet().margin(), "part_triplet.margin");
  demand(settings.verification().weight(), "verification.weight");
  demand(settings.verification().margin(), "verification.margin");
  demand(settings.pair().weight(), "pair.weight");
  demand(settings.heat_map().weight(), "heat_map.weight");
  const proto::AttentiveTripletLoss& attentive = settings.attentive_triplet();
  demand(attentive.weight(), "attentive_triplet.weight");
  demand(attentive.global_margin(), "attentive_triplet.global_margin");
  demand(attentive.part_margin(), "attentive_triplet.part_margin");
  demand(attentive.part_weight(), "attentive_triplet.part_weight");
  if (settings.has_identity() || settings.has_video_triplet() || settings.has_part_triplet() ||
      settings.has_verification() || settings.has_pair() || settings.has_attentive_triplet() ||
      settings.has_heat_map()) {
    return;
  }
  throw InputError("training.loss", "names no loss",
                   "add for example: loss { identity {} video_triplet {} }");
}

void require_sampler(const proto::Loss& settings, const proto::Batch& batch) {
  if (settings.has_verification()) demand_sampler("verification", batch, {proto::PAIRS});
  if (settings.has_attentive_triplet()) {
    demand_sampler("attentive_triplet", batch, {proto::TRIPLETS});
  }
  if (!settings.has_pair()) return;
  demand_sampler("pair", batch, {proto::IDENTITIES, proto::TRIPLETS});
  if (batch.sampler() == proto::IDENTITIES && (batch.identities() < 2 || batch.clips() < 2)) {
    throw InputError(loss_field("pair"),
                     "wants training.batch.identities and clips of at least 2, not " +
                         std::to_string(batch.identities()) + " and " +
                         std::to_string(batch.clips()));
  }
}

void require_network(const proto::Loss& settings, const models::ModelOutput& output,
                     bool judges_pairs) {
  if (settings.has_identity() && output.logits.empty()) {
    throw InputError(loss_field("identity"), "the network has no classifier", without("identity"));
  }
  const models::Signature& signature = output.signature;
  if (settings.has_video_triplet()) demand_tensor("video_triplet", signature, "features", 2);
  if (settings.has_verification()) demand_tensor("verification", signature, "features", 2);
  if (settings.has_part_triplet()) demand_tensor("part_triplet", signature, "parts", 3);
  if (settings.has_pair() && !judges_pairs) {
    throw InputError(loss_field("pair"), "the network does not judge pairs", without("pair"));
  }
  if (settings.has_attentive_triplet()) {
    require_branches(settings.attentive_triplet(), signature);
  }
  if (settings.has_heat_map()) {
    demand_tensor("heat_map", signature, "heat_maps", 5);
    MUSTER_REQUIRE(output.targets.joints.defined(), ==, true);
  }
}

}  // namespace muster::trainer
