#include "monitoring/report.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/canonical_message.h"
#include "common/error.h"
#include "common/version.h"
#include "datastore/manifest.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/experiment_file.h"
#include "launcher/json_line.h"
#include "schedulers/results_store.h"

namespace muster::launcher {
namespace {

namespace fs = std::filesystem;

// Facts of every store of the experiment that the workspace holds under stores/NAME.
void add_datasets(const proto::Experiment& experiment, const fs::path& workspace,
                  proto::ReportInput& input) {
  std::vector<std::string> names(experiment.data().train().begin(),
                                 experiment.data().train().end());
  for (const std::string& name : experiment.data().test()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::error_code ignored;
  for (const std::string& name : names) {
    const fs::path store = workspace / "stores" / name;
    if (!fs::exists(store / datastore::kManifestName, ignored)) continue;
    const datastore::Manifest manifest = datastore::read_manifest(store);
    proto::ReportDataset* dataset = input.add_datasets();
    dataset->set_name(name);
    dataset->set_synthetic(manifest.facts.synthetic);
    dataset->set_origin(manifest.facts.origin);
    dataset->set_tracklets(manifest.tracklets);
    dataset->set_identities(manifest.identities);
    dataset->set_frames(manifest.frames);
    dataset->set_cameras(manifest.cameras);
  }
}

template <typename Names>
bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// What decides a result but its place in the table: row, column, and one of the splits that a cell
// is the mean of.
std::string deciding_settings(proto::Experiment experiment) {
  experiment.mutable_data()->clear_train();
  experiment.mutable_data()->clear_test();
  experiment.mutable_data()->clear_split();
  return common::settings_of(experiment, {proto::TRAIN, proto::EXTRACT, proto::SCORE});
}

// Whether a result belongs in the experiment's table. One that was made with other settings is
// told.
bool belongs(const proto::ReportCell& cell, const proto::Experiment& experiment) {
  const proto::Data& data = experiment.data();
  if (!contains(data.train(), cell.train()) || !contains(data.test(), cell.test())) return false;
  proto::Experiment measured;
  const bool known = cell.has_settings() &&
                     google::protobuf::TextFormat::ParseFromString(cell.settings(), &measured) &&
                     deciding_settings(measured) == deciding_settings(experiment);
  if (!known) {
    std::cerr << "left out: the result of " << cell.train() << " on " << cell.test()
              << " was made with other settings than the experiment's\n";
  }
  return known;
}

proto::ReportInput report_input(const std::string& file, const proto::Experiment& experiment,
                                const fs::path& workspace, const fs::path& out) {
  proto::ReportInput input;
  const proto::Data& data = experiment.data();
  input.set_experiment(experiment.name());
  input.set_title("Cross-dataset re-identification: " + experiment.name());
  *input.mutable_train_sets() = data.train();
  *input.mutable_test_sets() = data.test();
  for (const proto::ReportCell& cell : schedulers::read_results(workspace)) {
    if (belongs(cell, experiment)) *input.add_cells() = cell;
  }
  add_datasets(experiment, workspace, input);
  input.set_commit(common::commit());
  input.set_command("muster report " + file + " --workspace " + workspace.string() + " --out " +
                    out.string());
  return input;
}

}  // namespace

int run_report(const std::vector<std::string>& arguments) {
  CommandLine line("muster report EXPERIMENT --workspace DIR --out DIR",
                   "Writes report.html, report.md and report.csv from the results of a workspace. "
                   "May be run at any time; missing cells are shown as missing.");
  line.positional("experiment", "the experiment file")
      .option("workspace", "DIR", "where stores and results are")
      .option("out", "DIR", "where report.html, .md and .csv go; older ones are replaced")
      .repeated("set", "PATH=VALUE", "change one setting")
      .flag("json", "print the files and the number of cells as JSON");
  if (!line.parse(arguments)) return 0;
  const std::string file = line.text("experiment");
  const proto::Experiment experiment = read_experiment(file, line.texts("set"));
  if (experiment.data().train().empty() || experiment.data().test().empty()) {
    throw common::InputError(file,
                             "names no data.train or no data.test: there is no table to make");
  }
  const fs::path out = line.path("out");
  const proto::ReportInput input = report_input(file, experiment, line.path("workspace"), out);
  monitoring::write_report(input, out);
  if (line.has("json")) {
    nlohmann::json files;
    for (const char* name : {"report.html", "report.md", "report.csv"}) {
      files.push_back((out / name).string());
    }
    std::cout << json_line(nlohmann::json{{"files", files}, {"cells", input.cells_size()}});
    return 0;
  }
  std::cout << monitoring::terminal_table(input) << "\n" << (out / "report.html").string() << "\n";
  return 0;
}

}  // namespace muster::launcher
