// Feature files ranked as the arguments of `muster score` say.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "launcher/command_line.h"
#include "trainer/feature_file.h"
#include "trainer/run_directory.h"
#include "trainer/scoring.h"

namespace muster::launcher {

struct NamedRules {
  std::string protocol = "roles of the file";
  std::string another_reading_of;  // the protocol whose roles it scores too; or empty
  datastore::ScoringRules rules;
};

using Run = std::optional<trainer::FinishedRun>;  // that --run names

// One result and what it is of.
struct Ranked {
  trainer::FeatureTable queries;
  Run run;
  NamedRules named;
  proto::Metric metric = proto::EUCLIDEAN;
  int64_t gallery_size = 0;
  trainer::RankingResult result;
};

// Ranks --features against themselves or --gallery-features; collective. `partial` gets the folder
// where distances were kept, if that was needed. Throws InputError naming the option or file.
Ranked rank_files(const CommandLine& line, trainer::Communicator& communicator,
                  common::ProgressSink& progress, std::filesystem::path* partial);

// What the table says of itself; empty where it says nothing.
std::string fact_of(const trainer::FeatureTable& table, const std::string& name);
// Of the training's random halves; 0 where the table says nothing.
int split_of(const trainer::FeatureTable& table);

}  // namespace muster::launcher
