#include "launcher/scoring_settings.h"

#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/experiment_file.h"
#include "trainer/metric_training.h"
#include "trainer/scoring.h"

namespace muster::launcher {
namespace {

using common::InputError;

bool begins_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

// A field may belong to scoring and yet change nothing here.
void require_effect(const std::string& setting, proto::Metric metric) {
  const auto refuse = [&](const std::string& served) {
    throw InputError("--set " + setting, "does not reach metric " + trainer::metric_name(metric),
                     "it is for " + served);
  };
  if (begins_with(setting, "scoring.metric=")) {
    throw InputError("--set " + setting, "is what --metric says");
  }
  if (begins_with(setting, "scoring.learned.")) {
    if (!trainer::is_learned_metric(metric)) refuse("kissme and xqda");
  } else if (begins_with(setting, "scoring.rerank_candidates=")) {
    if (metric != proto::MODEL) refuse("model");
  } else if (begins_with(setting, "scoring.k_reciprocal.")) {
    if (metric != proto::EUCLIDEAN && metric != proto::COSINE) refuse("euclidean and cosine");
  } else if (begins_with(setting, "model.")) {
    if (metric != proto::MODEL) refuse("model");
  } else {
    throw InputError("--set " + setting, "does not reach one score",
                     "fields that do: scoring.learned.* and the network's for scoring");
  }
}

// Options of the experiment's own metric go with it when another is asked for; beside a metric that
// they do not reach they are a mistake.
void settle_metric(proto::Experiment& experiment, proto::Metric metric) {
  proto::Scoring& scoring = *experiment.mutable_scoring();
  const bool own = scoring.metric() == metric;
  const auto misplaced = [&](const std::string& field, const std::string& served) {
    if (!own) return;
    throw InputError("scoring." + field, "does not reach metric " + trainer::metric_name(metric),
                     "it is for " + served);
  };
  if (scoring.has_k_reciprocal() && metric != proto::EUCLIDEAN && metric != proto::COSINE) {
    misplaced("k_reciprocal", "euclidean and cosine");
    scoring.clear_k_reciprocal();
  }
  if (scoring.rerank_candidates() != 0 && metric != proto::MODEL) {
    misplaced("rerank_candidates", "model");
    scoring.clear_rerank_candidates();
  }
  scoring.set_metric(metric);
}

}  // namespace

proto::Metric metric_named(const std::string& name, const std::string& source) {
  std::vector<std::string> known;
  for (const proto::Metric metric :
       {proto::EUCLIDEAN, proto::COSINE, proto::KISSME, proto::XQDA, proto::MODEL}) {
    if (trainer::metric_name(metric) == name) return metric;
    known.push_back(trainer::metric_name(metric));
  }
  throw InputError(source, "metric '" + name + "' is not known", common::name_hint(name, known));
}

proto::Experiment scored_experiment(proto::Experiment experiment,
                                    const std::vector<std::string>& settings,
                                    proto::Metric metric) {
  for (const std::string& setting : settings) {
    apply_setting_of_stage(experiment, setting, proto::SCORE);
    require_effect(setting, metric);
  }
  settle_metric(experiment, metric);
  if (experiment.scoring().rerank_candidates() < 0) {
    throw InputError("scoring.rerank_candidates",
                     std::to_string(experiment.scoring().rerank_candidates()) + " is negative");
  }
  return experiment;
}

}  // namespace muster::launcher
