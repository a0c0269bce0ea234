#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/version.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/nearest_name.h"
#include "launcher/protocol_option.h"
#include "launcher/terminal.h"
#include "schedulers/results_store.h"
#include "trainer/run_directory.h"
#include "trainer/scoring.h"

namespace muster::launcher {
namespace {

using common::InputError;

proto::Metric metric_from(const std::string& name) {
  if (name == "euclidean") return proto::EUCLIDEAN;
  if (name == "cosine") return proto::COSINE;
  throw InputError("--metric '" + name + "'", "is not known",
                   name_hint(name, {"euclidean", "cosine"}));
}

std::string fact(const trainer::FeatureTable& table, const std::string& name) {
  const auto found = table.facts.find(name);
  return found == table.facts.end() ? "" : found->second;
}

struct NamedRules {
  std::string protocol = "roles of the file";
  datastore::ScoringRules rules;
};

NamedRules rules_named(const std::string& protocol) {
  return {protocol, datastore::find_protocol(protocol).rules};
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

double rank_rate(const trainer::RankingResult& result, size_t rank) {
  return result.cmc[std::min(rank, result.cmc.size()) - 1];
}

nlohmann::json as_json(const trainer::RankingResult& result, int64_t gallery,
                       const NamedRules& named) {
  nlohmann::json ranks;
  for (const size_t rank : {1, 5, 10, 20}) ranks[std::to_string(rank)] = rank_rate(result, rank);
  return {{"rank", ranks},
          {"map", result.mean_average_precision},
          {"queries", result.queries},
          {"queries_without_match", result.queries_without_match},
          {"gallery", gallery},
          {"average_precision", average_precision_name(named.rules)},
          {"protocol", named.protocol}};
}

proto::ReportCell report_cell(const trainer::RankingResult& result, int64_t gallery_size,
                              const trainer::FeatureTable& queries, const CommandLine& line,
                              const NamedRules& named) {
  proto::ReportCell cell;
  cell.set_train(fact(queries, "train_store"));
  cell.set_test(fact(queries, "test_store"));
  cell.set_method(fact(queries, "method"));
  const std::string split = fact(queries, "split");
  cell.set_split(split.empty() ? 0 : std::stoi(split));
  for (const double rate : result.cmc) cell.add_cmc(rate);
  cell.set_mean_average_precision(result.mean_average_precision);
  cell.set_queries(result.queries);
  cell.set_gallery(gallery_size);
  cell.set_synthetic(fact(queries, "train_synthetic") == "true" ||
                     fact(queries, "test_synthetic") == "true");
  char host[256] = "unknown";
  ::gethostname(host, sizeof(host) - 1);
  auto facts = queries.facts;
  facts["machine"] = host;
  facts["protocol"] = named.protocol;
  facts["average_precision"] = average_precision_name(named.rules);
  facts["metric"] = line.text("metric");
  if (line.has("run")) {
    const trainer::FinishedRun run = trainer::read_finished_run(line.text("run"));
    cell.set_settings(common::canonical_text(run.experiment));
    facts["ranks"] = std::to_string(run.facts.ranks);
    facts["steps"] = std::to_string(run.step);
  }
  for (const auto& [name, value] : facts) {
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
      .option("metric", "NAME", "euclidean or cosine", "euclidean")
      .option("run", "DIR", "the training, for the record's provenance")
      .option("result", "FILE", "also write a record that muster report reads")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  const proto::Metric metric = metric_from(line.text("metric"));
  const trainer::FeatureTable queries = trainer::read_feature_file(line.text("features"));
  const trainer::FeatureTable gallery =
      line.has("gallery-features") ? trainer::read_feature_file(line.text("gallery-features"))
                                   : queries;
  const NamedRules named = rules_of(line, queries);
  const auto progress = terminal_progress();
  int64_t gallery_size = 0;
  const trainer::RankingResult result =
      trainer::score(queries, gallery, metric, named.rules, &gallery_size, *progress);
  if (line.has("result")) {
    schedulers::write_result(line.text("result"),
                             report_cell(result, gallery_size, queries, line, named));
  }
  if (line.has("json")) {
    std::cout << as_json(result, gallery_size, named) << "\n";
    return 0;
  }
  std::printf(
      "rank-1 %.1f  rank-5 %.1f  rank-10 %.1f  rank-20 %.1f  mAP %.1f  (%%; %lld queries, "
      "%lld gallery tracklets, %s)\n",
      100 * rank_rate(result, 1), 100 * rank_rate(result, 5), 100 * rank_rate(result, 10),
      100 * rank_rate(result, 20), 100 * result.mean_average_precision,
      static_cast<long long>(result.queries), static_cast<long long>(gallery_size),
      named.protocol.c_str());
  return 0;
}

}  // namespace muster::launcher
