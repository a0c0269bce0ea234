#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/host_name.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/protocol_option.h"
#include "launcher/scoring_settings.h"
#include "launcher/terminal.h"
#include "models/model_catalog.h"
#include "schedulers/results_store.h"
#include "trainer/feature_extraction.h"
#include "trainer/metric_training.h"
#include "trainer/run_directory.h"
#include "trainer/scoring.h"
#include "trainer/signature_rows.h"

namespace muster::launcher {
namespace {

using common::InputError;

std::string fact(const trainer::FeatureTable& table, const std::string& name) {
  const auto found = table.facts.find(name);
  return found == table.facts.end() ? "" : found->second;
}

struct NamedRules {
  std::string protocol = "roles of the file";
  std::string another_reading_of;  // the protocol whose roles it scores too; or empty
  datastore::ScoringRules rules;
};

NamedRules rules_named(const std::string& protocol) {
  const datastore::Protocol& found = datastore::find_protocol(protocol);
  return {protocol, found.scores_features_of, found.rules};
}

// Of the protocol that gave the rows their roles, unless the user names one: the same, or one that
// reads these roles in another way.
NamedRules rules_of(const CommandLine& line, const trainer::FeatureTable& table) {
  const std::string recorded = fact(table, "protocol");
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

std::string average_precision_name(const datastore::ScoringRules& rules) {
  return rules.average_precision == datastore::AveragePrecision::kTrapezoid ? "trapezoid"
                                                                            : "rectangle";
}

using Run = std::optional<trainer::FinishedRun>;  // that --run names

// --metric, or the experiment's: of the run, or as extract noted it in the file.
proto::Metric metric_of(const CommandLine& line, const Run& run,
                        const trainer::FeatureTable& table) {
  if (line.has("metric")) return metric_named(line.text("metric"), "--metric");
  if (run) return run->experiment.scoring().metric();
  const std::string recorded = fact(table, "metric");
  return recorded.empty() ? proto::EUCLIDEAN : metric_named(recorded, table.name);
}

// The network, if its own distance is wanted, or the vectors that it makes of what is in `queries`.
std::unique_ptr<models::Model> model_for(proto::Metric metric, const Run& run,
                                         const trainer::FeatureTable& queries) {
  if (metric != proto::MODEL && (queries.features > 0 || !run)) return nullptr;
  if (!run) {
    throw InputError("metric model", "wants the network", "name its training with --run DIR");
  }
  return trainer::load_model(*run);
}

// Of --train-features or else of the queries' file; nothing for a metric that needs no learning.
std::optional<models::LearnedMetric> learned_metric_of(const CommandLine& line,
                                                       const proto::Scoring& scoring,
                                                       const trainer::FeatureTable& queries,
                                                       const models::Model* model) {
  if (!trainer::is_learned_metric(scoring.metric())) {
    if (line.has("train-features")) {
      throw InputError("--train-features",
                       "does not reach metric " + trainer::metric_name(scoring.metric()),
                       "it is for kissme and xqda");
    }
    return std::nullopt;
  }
  if (!line.has("train-features")) return trainer::learn_metric(queries, scoring);
  trainer::FeatureTable training = trainer::read_feature_file(line.text("train-features"));
  if (model != nullptr) training = trainer::represented(training, *model);
  if (training.features != queries.features) {
    throw InputError(training.name, "has vectors of another size than " + queries.name);
  }
  return trainer::learn_metric(training, scoring);
}

int split_of(const trainer::FeatureTable& table) {
  const std::string text = fact(table, "split");
  const bool whole = text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!whole) throw InputError(table.name, "fact 'split' is '" + text + "', not a whole number");
  return text.empty() ? 0 : std::stoi(text);
}

double rank_rate(const trainer::RankingResult& result, size_t rank) {
  return result.cmc[std::min(rank, result.cmc.size()) - 1];
}

nlohmann::json as_json(const trainer::RankingResult& result, int64_t gallery,
                       const NamedRules& named, proto::Metric metric) {
  nlohmann::json ranks;
  for (const size_t rank : {1, 5, 10, 20}) ranks[std::to_string(rank)] = rank_rate(result, rank);
  return {{"rank", ranks},
          {"map", result.mean_average_precision},
          {"queries", result.queries},
          {"queries_without_match", result.queries_without_match},
          {"gallery", gallery},
          {"average_precision", average_precision_name(named.rules)},
          {"protocol", named.protocol},
          {"metric", trainer::metric_name(metric)}};
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
  const std::string asked = fact(queries, "training_protocol");
  if (!asked.empty() && asked != named.protocol) {
    // Trained under one protocol and tested under another is what no experiment asks for, unless
    // both train the same persons.
    experiment.mutable_data()->set_protocol(asked == named.another_reading_of
                                                ? named.protocol
                                                : asked + ", tested under " + named.protocol);
  }
  return experiment;
}

proto::ReportCell report_cell(const trainer::RankingResult& result, int64_t gallery_size,
                              const trainer::FeatureTable& queries, const Run& run,
                              const NamedRules& named, proto::Metric metric) {
  proto::ReportCell cell;
  cell.set_train(fact(queries, "train_store"));
  cell.set_test(fact(queries, "test_store"));
  cell.set_method(fact(queries, "method"));
  cell.set_split(split_of(queries));
  for (const double rate : result.cmc) cell.add_cmc(rate);
  cell.set_mean_average_precision(result.mean_average_precision);
  cell.set_queries(result.queries);
  cell.set_gallery(gallery_size);
  cell.set_synthetic(fact(queries, "train_synthetic") == "true" ||
                     fact(queries, "test_synthetic") == "true");
  auto facts = queries.facts;
  facts["machine"] = common::host_name();
  facts["protocol"] = named.protocol;
  facts["average_precision"] = average_precision_name(named.rules);
  facts["metric"] = trainer::metric_name(metric);
  if (run) {
    cell.set_settings(common::canonical_text(run->experiment));
    facts.erase("extraction");  // among the settings
    facts["ranks"] = std::to_string(run->facts.ranks);
    facts["steps"] = std::to_string(run->step);
  }
  for (const auto& [name, value] : facts) {
    if (value.empty()) continue;
    proto::ReportFact* entry = cell.add_provenance();
    entry->set_name(name);
    entry->set_value(value);
  }
  return cell;
}

}  // namespace

int run_score(const std::vector<std::string>& arguments) {
  CommandLine line("muster score --features FILE",
                   "Ranks queries against the gallery: CMC and mean average precision. The files "
                   "may come from muster extract or from another program "
                   "(docs/formats/features.md).");
  line.option("features", "FILE", "signatures of the queries, and of the gallery")
      .option("gallery-features", "FILE", "signatures of the gallery, if in a file of its own")
      .option("protocol", "NAME", protocol_list() + " [as extracted]")
      .option("metric", "NAME",
              "euclidean, cosine, kissme, xqda or model, the network's own [the experiment's]")
      .option("train-features", "FILE", "what kissme and xqda learn from [rows of --features]")
      .repeated("set", "PATH=VALUE",
                "how they learn or the network compares, e.g. scoring.learned.components=100")
      .option("run", "DIR", "the training: its metric and network, and the record's provenance")
      .option("result", "FILE", "also write a record for muster report; an older one is replaced")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  if (line.has("metric")) metric_named(line.text("metric"), "--metric");
  if (line.has("result")) schedulers::require_replaceable_result(line.path("result"));
  trainer::FeatureTable queries = trainer::read_feature_file(line.text("features"));
  std::optional<trainer::FeatureTable> other_gallery;
  if (line.has("gallery-features")) {
    other_gallery = trainer::read_feature_file(line.text("gallery-features"));
  }
  const trainer::FeatureTable& gallery = other_gallery ? *other_gallery : queries;
  Run run;
  if (line.has("run")) {
    run = trainer::read_finished_run(line.text("run"));
    models::require_distance(run->experiment.model());
    trainer::require_features_of_run(queries, *run);
    trainer::require_features_of_run(gallery, *run);
  }
  const NamedRules named = rules_of(line, queries);
  const proto::Metric metric = metric_of(line, run, queries);
  const proto::Experiment scored =
      scored_experiment(run ? run->experiment : proto::Experiment(), line.texts("set"), metric);
  if (run) run->experiment = measured_experiment(scored, queries, named);
  const std::unique_ptr<models::Model> model = model_for(metric, run, queries);
  const models::Model* vectors_of = metric == proto::MODEL ? nullptr : model.get();
  if (vectors_of != nullptr) {
    if (other_gallery) other_gallery = trainer::represented(*other_gallery, *vectors_of);
    queries = trainer::represented(queries, *vectors_of);
  }
  split_of(queries);
  const auto progress = terminal_progress();
  int64_t gallery_size = 0;
  const std::optional<models::LearnedMetric> learned =
      learned_metric_of(line, scored.scoring(), queries, vectors_of);
  const trainer::RankingResult result =
      trainer::score(queries, gallery, metric, named.rules, &gallery_size, *progress,
                     {model.get(), learned ? &*learned : nullptr});
  if (line.has("result")) {
    schedulers::write_result(line.path("result"),
                             report_cell(result, gallery_size, queries, run, named, metric));
  }
  if (line.has("json")) {
    std::cout << json_line(as_json(result, gallery_size, named, metric));
    return 0;
  }
  std::printf(
      "rank-1 %.1f  rank-5 %.1f  rank-10 %.1f  rank-20 %.1f  mAP %.1f  (%%; %lld queries, "
      "%lld gallery tracklets, %s, %s)\n",
      100 * rank_rate(result, 1), 100 * rank_rate(result, 5), 100 * rank_rate(result, 10),
      100 * rank_rate(result, 20), 100 * result.mean_average_precision,
      static_cast<long long>(result.queries), static_cast<long long>(gallery_size),
      named.protocol.c_str(), trainer::metric_name(metric).c_str());
  return 0;
}

}  // namespace muster::launcher
