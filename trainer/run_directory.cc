#include "trainer/run_directory.h"

#include <fcntl.h>
#include <google/protobuf/text_format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/atomic_file.h"
#include "common/canonical_message.h"
#include "common/error.h"
#include "common/host_name.h"
#include "common/sha256.h"
#include "common/version.h"
#include "datastore/file_lock.h"
#include "trainer/checkpoint.h"
#include "trainer/progress_lines.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr char kResultName[] = "result.json", kProvenanceName[] = "provenance.json",
               kProgressName[] = "progress.jsonl", kSpecName[] = "spec.textproto";

// Of one life of a run: each time that a process takes it up is one.
json life(const TrainingFacts& facts, int64_t step) {
  return {{"from_step", step},
          {"ranks", facts.ranks},
          {"machine", common::host_name()},
          {"version", common::version()},
          {"commit", common::commit()}};
}

json provenance(const proto::Experiment& experiment, const TrainingFacts& facts) {
  return {{"train_store", facts.train_store},
          {"store_directory", facts.store_directory},
          {"store_manifest_sha256", facts.store_hash},
          {"synthetic", facts.synthetic},
          {"identities", facts.identities},
          {"ranks", facts.ranks},
          {"initial_weights_sha256", facts.initial_weights},
          {"training_sha256", training_identity(experiment, facts)},
          {"machine", common::host_name()},
          {"version", common::version()},
          {"commit", common::commit()},
          {"lives", json::array()}};
}

void write_json(const fs::path& path, const json& content) {
  common::write_file_atomically(path,
                                content.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

// What a writer of these files that died left, on whichever machine.
bool is_unpublished(const fs::path& path) {
  const std::string name = path.filename().string();
  for (const char* published : {kSpecName, kProvenanceName, kResultName}) {
    if (name.rfind("." + std::string(published) + ".tmp.", 0) == 0) return true;
  }
  return false;
}

// What a training leaves that failed before it wrote anything: folders, and the empty file that
// bears its lock.
bool holds_nothing_yet(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return false;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_symlink()) return false;
    const bool is_lock =
        entry.path() == path / kProgressName && entry.is_regular_file() && entry.file_size() == 0;
    if (!entry.is_directory() && !is_lock && !is_unpublished(entry.path())) return false;
  }
  return true;
}

void remove_remains(const fs::path& run) {
  for (const char* name : {kSpecName, kProvenanceName, kResultName}) {
    common::remove_stale_temporaries(run / name);
  }
  remove_remains_of_checkpoints(run / "checkpoints");
}

// Renames an unfinished run out of the way; nothing is deleted.
fs::path moved_aside(const fs::path& path) {
  for (int number = 1;; ++number) {
    const fs::path aside = path.string() + ".unfinished-" + std::to_string(number);
    if (fs::exists(aside)) continue;
    fs::rename(path, aside);
    return aside;
  }
}

// Not of a file that was moved aside since it was opened.
bool is_file_at(const common::Descriptor& file, const std::string& name) {
  struct stat opened {
  }, named{};
  return ::fstat(file.get(), &opened) == 0 && ::stat(name.c_str(), &named) == 0 &&
         opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

json parse_json_file(const fs::path& path) {
  try {
    return json::parse(common::read_file(path));
  } catch (const json::exception& failure) {
    throw InputError(path.string(), std::string("is damaged: ") + failure.what(),
                     "train again into another --run directory");
  }
}

// Of the run that is there; "" if there is none, or its provenance is damaged or older than
// identities.
std::string identity_of_run(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path / kProvenanceName, ignored)) return "";
  try {
    return parse_json_file(path / kProvenanceName).at("training_sha256").get<std::string>();
  } catch (const common::Error&) {
  } catch (const json::exception&) {
  }
  return "";
}

bool holds_run(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path / kSpecName, ignored) || !identity_of_run(path).empty();
}

void write_spec(const fs::path& run, const proto::Experiment& experiment) {
  common::write_file_atomically(run / kSpecName, common::canonical_text(experiment));
}

}  // namespace

std::string training_identity(const proto::Experiment& experiment, const TrainingFacts& facts) {
  std::string text = common::settings_of(experiment, {proto::TRAIN});
  for (const std::string& hash : facts.initial_weights) text += "\ninitial weights " + hash;
  return common::sha256_of(text + "\nstore " + facts.store_hash);
}

RunDirectory::RunDirectory(const fs::path& path, const proto::Experiment& experiment,
                           const TrainingFacts& facts, UnfinishedRun unfinished)
    : path_(path), facts_(facts) {
  std::error_code ignored;
  // A run that was killed at its very beginning has its provenance alone.
  const std::string identity = training_identity(experiment, facts);
  if (holds_run(path)) lock_progress();
  const bool found = holds_run(path);  // as it is under the lock
  const bool same = found && identity_of_run(path) == identity;
  if (is_finished_run(path)) {
    throw same ? InputError(path.string(), "was finished by another process just now",
                            "the same command finds it done")
               : InputError(path.string(), "already holds a finished run of other settings or data",
                            "choose another --run");
  }
  if (unfinished == UnfinishedRun::kDemand && !same) {
    throw InputError(path.string(), found ? "holds an unfinished run of other settings or data"
                                          : "holds no run to resume");
  }
  remove_remains(path);
  continues_ = same && unfinished != UnfinishedRun::kSetAside;
  if (continues_) {
    if (!fs::exists(path / kSpecName, ignored)) write_spec(path, experiment);
    return;
  }
  if (found) {
    set_aside_ = moved_aside(path);
    lock_ = common::Descriptor();
  } else if (!holds_nothing_yet(path)) {
    common::require_new_directory(path, "choose another --run");
  }
  common::make_directories(path / "checkpoints");
  lock_progress();
  if (fs::exists(path / kSpecName, ignored)) {
    throw InputError(path.string(), "another process has just begun a run in it");
  }
  write_json(path / kProvenanceName, provenance(experiment, facts));
  write_spec(path, experiment);
}

// The lock lies on progress.jsonl, which is only ever appended to or cut off.
void RunDirectory::lock_progress() {
  const std::string name = (path_ / kProgressName).string();
  // Ranks of a job that was killed may take a moment to go.
  for (int wait = 0; wait < 100; ++wait) {
    lock_ = common::Descriptor(::open(name.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (!lock_.is_open()) throw common::system_call_error(name, "create", errno);
    if (datastore::lock_file(lock_, LOCK_EX | LOCK_NB) && is_file_at(lock_, name)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  throw InputError(path_.string(), "another process trains it", "wait, or choose another --run");
}

void RunDirectory::begin_after(int64_t step) {
  const fs::path progress = path_ / kProgressName;
  cut_progress(progress, step);
  progress_.open(progress, std::ios::app);
  if (!progress_) throw common::system_call_error(progress.string(), "open", errno);
  json facts = parse_json_file(path_ / kProvenanceName);
  facts["lives"].push_back(life(facts_, step));
  facts["ranks"] = facts_.ranks;
  write_json(path_ / kProvenanceName, facts);
}

void RunDirectory::append_progress(const common::StepReport& report,
                                   const std::string& batch_hash) {
  const common::PhaseSeconds& phase = report.phase_seconds;
  const common::GradientTraffic& traffic = report.gradient_traffic;
  json line = {{"step", report.step},
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
                 {"optimizer", phase.optimizer}}},
               {"communication",
                {{"bytes", traffic.bytes},
                 {"messages", traffic.messages},
                 {"early_messages", traffic.early_messages},
                 {"statistics_messages", report.statistics_messages},
                 {"statistics_seconds", report.statistics_seconds}}}};
  if (report.overflow || report.loss_scale != 1) line["loss_scale"] = report.loss_scale;
  if (report.overflow) line["overflow"] = true;
  if (!report.not_finite.empty()) line["not_finite"] = report.not_finite;
  progress_ << line.dump() << '\n' << std::flush;
  if (!progress_) {
    throw common::system_call_error((path_ / kProgressName).string(), "write", errno);
  }
}

void RunDirectory::write_result(const TrainingResult& result) {
  write_json(path_ / kResultName, {{"step", result.step},
                                   {"loss", result.loss},
                                   {"losses", result.losses},
                                   {"seconds", result.seconds},
                                   {"checkpoint", checkpoint_name(result.step)}});
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
  const json facts = parse_json_file(path / kProvenanceName);
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
  const fs::path spec = path / kSpecName;
  if (!google::protobuf::TextFormat::ParseFromString(common::read_file(spec), &run.experiment)) {
    throw InputError(spec.string(), "cannot be parsed");
  }
  return run;
}

bool is_own_store(const FinishedRun& run, const std::string& name, const std::string& hash) {
  return name == run.facts.train_store || hash == run.facts.store_hash;
}

}  // namespace muster::trainer
