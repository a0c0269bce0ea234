#include "launcher/ranked_files.h"

#include <ATen/Parallel.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/sha256.h"
#include "launcher/protocol_option.h"
#include "launcher/scoring_settings.h"
#include "launcher/shared_command.h"
#include "models/model_catalog.h"
#include "trainer/empty_output.h"
#include "trainer/feature_extraction.h"
#include "trainer/metric_training.h"
#include "trainer/model_distances.h"
#include "trainer/signature_rows.h"

namespace muster::launcher {
namespace {

using common::InputError;

// Tables of more stay in their files and are read in blocks.
constexpr int64_t kTableBytes = int64_t{128} << 20;

NamedRules rules_named(const std::string& protocol) {
  const datastore::Protocol& found = datastore::find_protocol(protocol);
  return {protocol, found.scores_features_of, found.rules};
}

// Of the protocol that gave the rows their roles, unless the user names one: the same, or one that
// reads these roles in another way.
NamedRules rules_of(const CommandLine& line, const trainer::FeatureTable& table) {
  const std::string recorded = fact_of(table, "protocol");
  if (!line.has("protocol")) {
    if (recorded.empty()) return {};
    require_known_protocol("protocol of " + line.text("features"), recorded);
    return rules_named(recorded);
  }
  const std::string wanted = line.text("protocol");
  require_known_protocol("--protocol", wanted);
  const std::string& readable = datastore::find_protocol(wanted).scores_features_of;
  if (!recorded.empty() && recorded != wanted && recorded != readable) {
    throw InputError("--protocol " + wanted, "but the features were extracted under " + recorded,
                     "extract them again with --protocol " + wanted);
  }
  return rules_named(wanted);
}

// --metric, or the experiment's: of the run, or as extract noted it in the file.
proto::Metric metric_of(const CommandLine& line, const Run& run,
                        const trainer::FeatureTable& table) {
  if (line.has("metric")) return metric_named(line.text("metric"), "--metric");
  if (run) return run->experiment.scoring().metric();
  const std::string recorded = fact_of(table, "metric");
  return recorded.empty() ? proto::EUCLIDEAN : metric_named(recorded, table.name);
}

struct Network {
  std::unique_ptr<models::Model> model;  // may be null
  trainer::SignatureShapes shapes;       // that it compares
};

// The network, if its own distance is wanted, or the vectors that it makes of what is in `queries`.
Network network_for(proto::Metric metric, const Run& run, const trainer::FeatureTable& queries) {
  if (metric != proto::MODEL && (queries.features > 0 || !run)) return {};
  if (!run) {
    throw InputError("metric model", "wants the network", "name its training with --run DIR");
  }
  Network network;
  network.model = trainer::load_model(*run);
  network.shapes = trainer::scored_shapes(*network.model, run->experiment);
  return network;
}

// What metric `metric` compares: the network's vectors, if there is one and it is not the network
// that compares.
void prepare_table(const Network& network, proto::Metric metric, trainer::FeatureTable& table) {
  if (!network.model) return;
  trainer::require_shapes(table, network.shapes);
  if (metric != proto::MODEL) table = trainer::represented(table, *network.model);
}

// Of --train-features or else of the queries' file; nothing for a metric that needs no learning.
std::optional<models::LearnedMetric> learned_metric_of(const CommandLine& line,
                                                       const proto::Scoring& scoring,
                                                       const trainer::FeatureTable& queries,
                                                       const Network& network) {
  if (!trainer::is_learned_metric(scoring.metric())) {
    if (line.has("train-features")) {
      throw InputError("--train-features",
                       "does not reach metric " + trainer::metric_name(scoring.metric()),
                       "it is for kissme and xqda");
    }
    return std::nullopt;
  }
  if (!line.has("train-features")) return trainer::learn_metric(queries, scoring);
  trainer::FeatureTable training =
      trainer::read_feature_file(line.text("train-features"), kTableBytes);
  prepare_table(network, scoring.metric(), training);
  if (training.features != queries.features) {
    throw InputError(training.name, "has vectors of another size than " + queries.name);
  }
  return trainer::learn_metric(training, scoring);
}

// Swallows what protobuf would print.
class Silence : public google::protobuf::io::ErrorCollector {
  void AddError(int, int, const std::string&) override {}
};

// The experiment that these numbers are of: `scored`, with what extract was told. A
// protocol named for another store than the training's is no setting of an experiment; the
// provenance tells it.
proto::Experiment measured_experiment(const proto::Experiment& scored,
                                      const trainer::FeatureTable& queries,
                                      const NamedRules& named) {
  proto::Experiment experiment = scored;
  const auto extraction = queries.facts.find("extraction");
  if (extraction != queries.facts.end()) {
    Silence silence;
    google::protobuf::TextFormat::Parser parser;
    parser.RecordErrorsTo(&silence);
    if (!parser.ParseFromString(extraction->second, experiment.mutable_extraction())) {
      throw InputError(queries.name, "fact 'extraction' holds no settings of extraction");
    }
  }
  const std::string asked = fact_of(queries, "training_protocol");
  if (!asked.empty() && asked != named.protocol) {
    // Trained under one protocol and tested under another is what no experiment asks for, unless
    // both train the same persons.
    experiment.mutable_data()->set_protocol(asked == named.another_reading_of
                                                ? named.protocol
                                                : asked + ", tested under " + named.protocol);
  }
  return experiment;
}

// A folder whose name says all that the distances depend on. The weights' hash stands for the
// network, the files' for roles and protocol too.
std::filesystem::path partial_folder(const CommandLine& line, const Run& run,
                                     const proto::Scoring& scoring, const std::string& protocol) {
  if (!run) return {};
  const std::string features = line.text("features");
  std::string facts = "distances 1\n" + common::sha256_of_file(features) + "\n";
  if (line.has("gallery-features")) {
    facts += common::sha256_of_file(line.text("gallery-features")) + "\n";
  }
  facts += common::sha256_of_file(run->weights) + "\n" + protocol + "\n" +
           common::canonical_text(run->experiment.model()) + "\n" + common::canonical_text(scoring);
  const std::string key = common::sha256_of(facts).substr(0, 16);
  if (line.has("partial")) return std::filesystem::path(line.text("partial")) / key;
  return features + ".partial-" + key;
}

}  // namespace

std::string fact_of(const trainer::FeatureTable& table, const std::string& name) {
  const auto found = table.facts.find(name);
  return found == table.facts.end() ? "" : found->second;
}

int split_of(const trainer::FeatureTable& table) {
  const std::string text = fact_of(table, "split");
  const bool whole = text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!whole) throw InputError(table.name, "fact 'split' is '" + text + "', not a whole number");
  return text.empty() ? 0 : std::stoi(text);
}

Ranked rank_files(const CommandLine& line, trainer::Communicator& communicator,
                  common::ProgressSink& progress, std::filesystem::path* partial) {
  Ranked ranked;
  trainer::FeatureTable& queries = ranked.queries;
  queries = trainer::read_feature_file(line.text("features"), kTableBytes);
  std::optional<trainer::FeatureTable> other_gallery;
  if (line.has("gallery-features")) {
    other_gallery = trainer::read_feature_file(line.text("gallery-features"), kTableBytes);
  }
  Run& run = ranked.run;
  if (line.has("run")) {
    run = trainer::read_finished_run(line.text("run"));
    models::require_distance(run->experiment.model());
    trainer::require_features_of_run(queries, *run);
    if (other_gallery) trainer::require_features_of_run(*other_gallery, *run);
  }
  ranked.named = rules_of(line, queries);
  ranked.metric = metric_of(line, run, queries);
  const proto::Experiment scored = scored_experiment(run ? run->experiment : proto::Experiment(),
                                                     line.texts("set"), ranked.metric);
  if (run) run->experiment = measured_experiment(scored, queries, ranked.named);
  const Network network = network_for(ranked.metric, run, queries);
  if (other_gallery) prepare_table(network, ranked.metric, *other_gallery);
  prepare_table(network, ranked.metric, queries);
  split_of(queries);
  const std::optional<models::LearnedMetric> learned =
      learned_metric_of(line, scored.scoring(), queries, network);
  trainer::DistanceSource source;
  source.model = network.model.get();
  source.learned = learned ? &*learned : nullptr;
  source.threads =
      threads_of_rank(static_cast<int>(line.integer("threads", 0, 1024)), communicator);
  at::set_num_threads(source.threads);
  source.settings = scored.scoring();
  if (ranked.metric == proto::MODEL &&
      (trainer::compares_pairwise(*network.model) || scored.scoring().rerank_candidates() > 0)) {
    source.partial = *partial = partial_folder(line, run, scored.scoring(), ranked.named.protocol);
  }
  source.communicator = &communicator;
  ranked.result = trainer::score(queries, other_gallery ? *other_gallery : queries, ranked.metric,
                                 ranked.named.rules, &ranked.gallery_size, progress, source);
  return ranked;
}

}  // namespace muster::launcher
