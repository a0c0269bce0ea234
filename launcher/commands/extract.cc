#include <ATen/Parallel.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/error.h"
#include "common/nearest_name.h"
#include "datastore/manifest.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/experiment_file.h"
#include "launcher/json_line.h"
#include "launcher/protocol_option.h"
#include "launcher/shared_command.h"
#include "trainer/feature_extraction.h"

namespace muster::launcher {
namespace {

using common::InputError;

int32_t roles_from(const std::string& names) {
  int32_t roles = 0;
  std::istringstream in(names);
  std::string name;
  while (std::getline(in, name, ',')) {
    if (name == "probe") {
      roles |= datastore::kRoleQuery;
    } else if (name == "gallery") {
      roles |= datastore::kRoleGallery | datastore::kRoleDistractor | datastore::kRoleJunk;
    } else if (name == "train") {
      roles |= datastore::kRoleTrain;
    } else {
      throw InputError("--role '" + name + "'", "is not known",
                       common::name_hint(name, {"probe", "gallery", "train"}));
    }
  }
  return roles;
}

void print_as_json(const std::string& file, const trainer::FeatureTable& table) {
  nlohmann::json roles;
  for (const auto& [name, bit] : {std::pair<const char*, int32_t>("query", datastore::kRoleQuery),
                                  {"gallery", datastore::kRoleGallery},
                                  {"distractor", datastore::kRoleDistractor},
                                  {"junk", datastore::kRoleJunk},
                                  {"train", datastore::kRoleTrain}}) {
    roles[name] = std::count_if(table.role.begin(), table.role.end(),
                                [bit = bit](int32_t role) { return (role & bit) != 0; });
  }
  nlohmann::json tensors = nlohmann::json::object();  // besides features: the shape of one
  for (const auto& [name, tensor] : table.further) tensors[name] = tensor.shape;
  std::cout << json_line(nlohmann::json{{"file", file},
                                        {"rows", table.rows},
                                        {"variants", table.variants},
                                        {"features", table.features},
                                        {"tensors", tensors},
                                        {"roles", roles}});
}

// The training's protocol holds in its own store, whatever name that has now: nobody who trained
// may test. Any other store is tested under its own, which is empty here.
std::string protocol_of(const CommandLine& line, const trainer::ExtractionRequest& request) {
  if (line.has("protocol")) {
    require_known_protocol("--protocol", line.text("protocol"));
    return line.text("protocol");
  }
  datastore::read_manifest(request.store_directory);  // a store at all?
  const std::string hash = datastore::manifest_hash(request.store_directory);
  const bool own_store = trainer::is_own_store(request.run, request.store_name, hash);
  return own_store ? request.run.experiment.data().protocol() : "";
}

trainer::ExtractionRequest extraction_request(const CommandLine& line) {
  const auto stores = named_directories(line.texts("store"), "--store");
  if (stores.size() != 1) {
    throw InputError(
        "--store", "exactly one store is wanted, " + std::to_string(stores.size()) + " are given");
  }
  trainer::ExtractionRequest request;
  request.run = trainer::read_finished_run(line.text("run"));
  proto::Experiment experiment = request.run.experiment;
  for (const std::string& setting : line.texts("set")) {
    apply_setting_of_stage(experiment, setting, proto::EXTRACT);
  }
  request.extraction = experiment.extraction();
  request.store_name = stores.begin()->first;
  request.store_directory = stores.begin()->second;
  request.protocol = protocol_of(line, request);
  request.roles = roles_from(line.text("role"));
  return request;
}

}  // namespace

int run_extract(const std::vector<std::string>& arguments) {
  CommandLine line(
      "muster extract --run DIR --store NAME=DIR --features FILE",
      "Writes what a trained network says of a store's tracklets to an HDF5 file. "
      "Start it under mpirun or srun --mpi=pmix to share the tracklets between ranks.");
  line.option("run", "DIR", "a finished training")
      .repeated("store", "NAME=DIR", "the store to look at")
      .option("role", "LIST", "probe, gallery, train", "probe,gallery")
      .option("protocol", "NAME",
              protocol_list() + " [the training's, or for another store the layout's own]")
      .repeated("set", "PATH=VALUE", "change an extraction setting, e.g. extraction.crops=8")
      .option("features", "FILE", "where the signatures go; an older feature file is replaced")
      .option("threads", "N",
              "tracklets in work at a time; 0: all cores, of several ranks one each", "0")
      .option("watchdog", "SECONDS", kWatchdogHelp, "600")
      .flag("json", "print what was written as JSON");
  if (!line.parse(arguments)) return 0;
  return run_on_ranks(watch_options(line), [&](RankTeam& team) {
    trainer::Communicator& communicator = team.communicator();
    trainer::ExtractionRequest request = extraction_request(line);
    const std::string target = line.path("features");
    trainer::require_replaceable_feature_file(target);
    request.threads =
        threads_of_rank(static_cast<int>(line.integer("threads", 0, 1024)), communicator);
    at::set_num_threads(1);  // the threads work on whole tracklets
    const trainer::FeatureTable table =
        trainer::extract_to_file(request, target, communicator, team.progress());
    if (line.has("json") && communicator.rank() == 0) print_as_json(target, table);
    return 0;
  });
}

}  // namespace muster::launcher
