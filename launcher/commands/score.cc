#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/canonical_message.h"
#include "common/host_name.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/protocol_option.h"
#include "launcher/ranked_files.h"
#include "launcher/scoring_settings.h"
#include "launcher/shared_command.h"
#include "schedulers/results_store.h"

namespace muster::launcher {
namespace {

std::string average_precision_name(const datastore::ScoringRules& rules) {
  return rules.average_precision == datastore::AveragePrecision::kTrapezoid ? "trapezoid"
                                                                            : "rectangle";
}

double rank_rate(const trainer::RankingResult& result, size_t rank) {
  return result.cmc[std::min(rank, result.cmc.size()) - 1];
}

nlohmann::json as_json(const Ranked& ranked) {
  const trainer::RankingResult& result = ranked.result;
  const NamedRules& named = ranked.named;
  nlohmann::json ranks;
  for (const size_t rank : {1, 5, 10, 20}) ranks[std::to_string(rank)] = rank_rate(result, rank);
  return {{"rank", ranks},
          {"map", result.mean_average_precision},
          {"queries", result.queries},
          {"queries_without_match", result.queries_without_match},
          {"gallery", ranked.gallery_size},
          {"average_precision", average_precision_name(named.rules)},
          {"protocol", named.protocol},
          {"metric", trainer::metric_name(ranked.metric)}};
}

proto::ReportCell report_cell(const Ranked& ranked) {
  const trainer::RankingResult& result = ranked.result;
  const trainer::FeatureTable& queries = ranked.queries;
  const Run& run = ranked.run;
  proto::ReportCell cell;
  cell.set_train(fact_of(queries, "train_store"));
  cell.set_test(fact_of(queries, "test_store"));
  cell.set_method(fact_of(queries, "method"));
  cell.set_split(split_of(queries));
  for (const double rate : result.cmc) cell.add_cmc(rate);
  cell.set_mean_average_precision(result.mean_average_precision);
  cell.set_queries(result.queries);
  cell.set_gallery(ranked.gallery_size);
  cell.set_synthetic(fact_of(queries, "train_synthetic") == "true" ||
                     fact_of(queries, "test_synthetic") == "true");
  auto facts = queries.facts;
  facts["machine"] = common::host_name();
  facts["protocol"] = ranked.named.protocol;
  facts["average_precision"] = average_precision_name(ranked.named.rules);
  facts["metric"] = trainer::metric_name(ranked.metric);
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

void declare_options(CommandLine& line) {
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
      .option("threads", "N", "of the computation; 0: all cores, of several ranks one each", "0")
      .option("partial", "DIR",
              "where distances that cost a network pass are kept until all are there [beside "
              "--features]")
      .option("watchdog", "SECONDS", kWatchdogHelp, "600")
      .flag("json", "print JSON");
}

void print_result(const Ranked& ranked, bool json) {
  if (json) {
    std::cout << json_line(as_json(ranked));
    return;
  }
  const trainer::RankingResult& result = ranked.result;
  std::printf(
      "rank-1 %.1f  rank-5 %.1f  rank-10 %.1f  rank-20 %.1f  mAP %.1f  (%%; %lld queries, "
      "%lld gallery tracklets, %s, %s)\n",
      100 * rank_rate(result, 1), 100 * rank_rate(result, 5), 100 * rank_rate(result, 10),
      100 * rank_rate(result, 20), 100 * result.mean_average_precision,
      static_cast<long long>(result.queries), static_cast<long long>(ranked.gallery_size),
      ranked.named.protocol.c_str(), trainer::metric_name(ranked.metric).c_str());
}

}  // namespace

int run_score(const std::vector<std::string>& arguments) {
  CommandLine line("muster score --features FILE",
                   "Ranks queries against the gallery: CMC and mean average precision. The files "
                   "may come from muster extract or from another program "
                   "(docs/formats/features.md). Distances that cost a network pass are shared "
                   "between ranks under mpirun or srun --mpi=pmix.");
  declare_options(line);
  if (!line.parse(arguments)) return 0;
  if (line.has("metric")) metric_named(line.text("metric"), "--metric");
  if (line.has("result")) schedulers::require_replaceable_result(line.path("result"));
  return run_on_ranks(watch_options(line), [&](RankTeam& team) {
    std::filesystem::path partial;
    const Ranked ranked = rank_files(line, team.communicator(), team.progress(), &partial);
    if (team.communicator().rank() > 0) return 0;
    if (line.has("result")) schedulers::write_result(line.path("result"), report_cell(ranked));
    print_result(ranked, line.has("json"));
    std::error_code ignored;  // what stays is found by its name
    if (!partial.empty()) std::filesystem::remove_all(partial, ignored);
    return 0;
  });
}

}  // namespace muster::launcher
