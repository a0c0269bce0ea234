#include "trainer/run_directory.h"

#include <google/protobuf/text_format.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/canonical_message.h"
#include "common/error.h"
#include "common/host_name.h"
#include "common/version.h"
#include "models/safetensors.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr char kResultName[] = "result.json";

json provenance(const TrainingFacts& facts) {
  return {{"train_store", facts.train_store},
          {"store_directory", facts.store_directory},
          {"store_manifest_sha256", facts.store_hash},
          {"synthetic", facts.synthetic},
          {"identities", facts.identities},
          {"ranks", facts.ranks},
          {"initial_weights_sha256", facts.initial_weights},
          {"machine", common::host_name()},
          {"version", common::version()},
          {"commit", common::commit()}};
}

std::string checkpoint_name(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
  return name;
}

// What a training leaves that failed before it wrote anything.
bool holds_only_empty_folders(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return false;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_symlink() || !entry.is_directory()) return false;
  }
  return true;
}

void remove_remains(const fs::path& run, int64_t steps) {
  for (const char* name : {"spec.textproto", "provenance.json", kResultName}) {
    common::remove_stale_temporaries(run / name);
  }
  common::remove_stale_temporaries(run / "checkpoints" / checkpoint_name(steps));
}

// Renames an unfinished run out of the way; nothing is deleted.
void set_aside(const fs::path& path) {
  for (int number = 1;; ++number) {
    const fs::path aside = path.string() + ".unfinished-" + std::to_string(number);
    if (fs::exists(aside)) continue;
    fs::rename(path, aside);
    return;
  }
}

json parse_json_file(const fs::path& path) {
  try {
    return json::parse(common::read_file(path));
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is damaged: ") + failure.what(),
                     "train again into another --run directory");
  }
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& path, const proto::Experiment& experiment,
                           const TrainingFacts& facts)
    : path_(path), facts_(facts) {
  if (is_finished_run(path)) {
    throw InputError(path.string(), "already holds a finished run of other settings or data",
                     "choose another --run");
  }
  remove_remains(path, experiment.training().steps());
  std::error_code ignored;
  if (fs::exists(path / "spec.textproto", ignored)) {
    set_aside(path);
  } else if (!holds_only_empty_folders(path)) {
    common::require_new_directory(path, "choose another --run");
  }
  common::make_directories(path / "checkpoints");
  common::write_file_atomically(path / "spec.textproto", common::canonical_text(experiment));
  common::write_file_atomically(
      path / "provenance.json",
      provenance(facts).dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  progress_.open(path / "progress.jsonl");
  if (!progress_) {
    throw common::system_call_error((path / "progress.jsonl").string(), "create", errno);
  }
}

void RunDirectory::append_progress(const common::StepReport& report,
                                   const std::string& batch_hash) {
  const common::PhaseSeconds& phase = report.phase_seconds;
  const json line = {{"step", report.step},
                     {"loss", report.loss},
                     {"losses", report.losses},
                     {"statistics", report.statistics},
                     {"batch", batch_hash},
                     {"learning_rate", report.learning_rate},
                     {"gradient_norm", report.gradient_norm},
                     {"clips_per_second", report.global_clips / report.step_seconds},
                     {"phase_seconds",
                      {{"data_wait", phase.data_wait},
                       {"forward", phase.forward},
                       {"loss", phase.loss},
                       {"backward", phase.backward},
                       {"communication_exposed", phase.communication_exposed},
                       {"optimizer", phase.optimizer}}}};
  progress_ << line.dump() << '\n' << std::flush;
  if (!progress_) {
    throw common::system_call_error((path_ / "progress.jsonl").string(), "write", errno);
  }
}

void RunDirectory::write_checkpoint(int64_t step, const models::NamedTensors& parameters) {
  const fs::path target = path_ / "checkpoints" / checkpoint_name(step);
  common::write_aside(target, [&](const fs::path& folder) {
    common::make_directories(folder);
    models::write_safetensors(folder / "model.safetensors", parameters,
                              {{"format", "pt"}, {"producer", "muster"}});
    const json state = {{"step", step}, {"identities", facts_.identities}};
    common::write_file_atomically(folder / "state.json", state.dump(1) + "\n");
  });
}

void RunDirectory::write_result(const common::StepReport& last, double seconds) {
  const json result = {{"step", last.step},
                       {"loss", last.loss},
                       {"losses", last.losses},
                       {"seconds", seconds},
                       {"checkpoint", checkpoint_name(last.step)}};
  common::write_file_atomically(path_ / kResultName, result.dump(1) + "\n");
}

bool is_finished_run(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path / kResultName, ignored);
}

FinishedRun read_finished_run(const fs::path& path) {
  if (!is_finished_run(path)) {
    throw InputError(path.string(), "holds no finished run (no result.json)",
                     "train first: muster train --run " + path.string());
  }
  FinishedRun run;
  const json result = parse_json_file(path / kResultName);
  const json facts = parse_json_file(path / "provenance.json");
  try {
    result.at("step").get_to(run.step);
    result.at("loss").get_to(run.loss);
    result.at("losses").get_to(run.losses);
    run.weights =
        path / "checkpoints" / result.at("checkpoint").get<std::string>() / "model.safetensors";
    facts.at("train_store").get_to(run.facts.train_store);
    facts.at("store_directory").get_to(run.facts.store_directory);
    facts.at("store_manifest_sha256").get_to(run.facts.store_hash);
    facts.at("synthetic").get_to(run.facts.synthetic);
    facts.at("identities").get_to(run.facts.identities);
    facts.at("ranks").get_to(run.facts.ranks);
    // Runs of before there were any do not say it.
    run.facts.initial_weights = facts.value("initial_weights_sha256", std::vector<std::string>());
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("has a damaged record: ") + failure.what());
  }
  const fs::path spec = path / "spec.textproto";
  if (!google::protobuf::TextFormat::ParseFromString(common::read_file(spec), &run.experiment)) {
    throw InputError(spec.string(), "cannot be parsed");
  }
  return run;
}

bool is_own_store(const FinishedRun& run, const std::string& name, const std::string& hash) {
  return name == run.facts.train_store || hash == run.facts.store_hash;
}

}  // namespace muster::trainer
