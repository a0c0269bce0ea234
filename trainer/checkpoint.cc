#include "trainer/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/crc32c.h"
#include "common/error.h"
#include "models/safetensors.h"

namespace muster::trainer {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr char kModelFile[] = "model.safetensors", kOptimizerFile[] = "optimizer.safetensors",
               kStateFile[] = "state.json", kOwnSum[] = "crc32c";

json sum_of(const fs::path& file) {
  const std::string bytes = common::read_file(file);
  return {{"bytes", bytes.size()}, {"crc32c", common::crc32c(bytes.data(), bytes.size())}};
}

// Of the state without its own sum.
uint32_t own_sum(json state) {
  state.erase(kOwnSum);
  const std::string text = state.dump();
  return common::crc32c(text.data(), text.size());
}

json number_or_null(double value) { return std::isfinite(value) ? json(value) : json(); }

double number_or_nan(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

json state_of(const CheckpointState& state, const fs::path& folder) {
  json text = {{"step", state.step},
               {"training", state.training},
               {"identities", state.identities},
               {"loss", number_or_null(state.loss)},
               {"losses", state.losses},
               {"seconds", state.seconds},
               {"mean_loss", number_or_null(state.mean_loss)},
               {"rejected_steps", state.rejected_steps},
               {"skipped_in_a_row", state.skipped_in_a_row},
               {"roll_backs", state.roll_backs},
               {"gradient_order", state.carried.gradient_order},
               {"loss_scale", state.carried.loss_scale.scale},
               {"loss_scale_good_steps", state.carried.loss_scale.good_steps},
               {"files",
                {{kModelFile, sum_of(folder / kModelFile)},
                 {kOptimizerFile, sum_of(folder / kOptimizerFile)}}}};
  text[kOwnSum] = own_sum(text);
  return text;
}

json checked_state(const fs::path& folder) {
  constexpr uintmax_t kMostBytes = uintmax_t{1} << 30;
  json state;
  std::error_code failure;
  const uintmax_t bytes = fs::file_size(folder / kStateFile, failure);
  if (!failure && bytes > kMostBytes) {
    throw InputError((folder / kStateFile).string(), "is too large to be one");
  }
  try {
    state = json::parse(common::read_file(folder / kStateFile));
    if (state.at(kOwnSum) == own_sum(state)) return state;
  } catch (const json::exception&) {
  }
  throw InputError((folder / kStateFile).string(), "is damaged");
}

CheckpointState parsed(const json& text, const fs::path& folder) {
  CheckpointState state;
  try {
    text.at("step").get_to(state.step);
    text.at("training").get_to(state.training);
    text.at("identities").get_to(state.identities);
    state.loss = number_or_nan(text.at("loss"));
    text.at("losses").get_to(state.losses);
    text.at("seconds").get_to(state.seconds);
    state.mean_loss = number_or_nan(text.at("mean_loss"));
    text.at("rejected_steps").get_to(state.rejected_steps);
    text.at("gradient_order").get_to(state.carried.gradient_order);
    // Checkpoints of before there were any do not say them.
    state.skipped_in_a_row = text.value("skipped_in_a_row", int64_t{0});
    state.roll_backs = text.value("roll_backs", int64_t{0});
    state.carried.loss_scale = {text.value("loss_scale", 1.0),
                                text.value("loss_scale_good_steps", int64_t{0})};
  } catch (const json::exception& failure) {
    throw InputError((folder / kStateFile).string(),
                     std::string("is not one of muster's: ") + common::one_line(failure.what()));
  }
  if (folder.filename() != checkpoint_name(state.step)) {
    throw InputError(folder.string(),
                     "holds the state of step " + std::to_string(state.step) + ", not of its name");
  }
  return state;
}

// The length first: a file of any other one is not even read.
void require_unchanged(const json& state, const fs::path& folder, const char* name) {
  const fs::path file = folder / name;
  std::error_code failure;
  const uintmax_t bytes = fs::file_size(file, failure);
  const bool known = state.contains("files") && state["files"].contains(name);
  if (!known || failure || state["files"][name].value("bytes", json()) != bytes ||
      state["files"][name] != sum_of(file)) {
    throw InputError(file.string(), "is not what was written");
  }
}

// Links that lead nowhere are there too.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// -1 if it is not the name of a checkpoint.
int64_t step_of_name(const std::string& name) {
  constexpr char kPrefix[] = "step-";
  if (name.rfind(kPrefix, 0) != 0) return -1;
  char* end = nullptr;
  const long long step = std::strtoll(name.c_str() + sizeof(kPrefix) - 1, &end, 10);
  return *end == '\0' && step >= 0 && name == checkpoint_name(step) ? step : -1;
}

}  // namespace

std::string checkpoint_name(int64_t step) {
  char name[32];
  std::snprintf(name, sizeof(name), "step-%08lld", static_cast<long long>(step));
  return name;
}

void write_checkpoint(const fs::path& checkpoints, const CheckpointState& state,
                      const models::NamedTensors& model, const models::NamedTensors& optimizer) {
  const fs::path target = checkpoints / checkpoint_name(state.step);
  set_checkpoint_aside(checkpoints, state.step, "replaced");
  common::write_aside(target, [&](const fs::path& folder) {
    common::make_directories(folder);
    models::write_safetensors(folder / kModelFile, model,
                              {{"format", "pt"}, {"producer", "muster"}});
    models::write_safetensors(folder / kOptimizerFile, optimizer, {{"producer", "muster"}});
    common::write_file_atomically(folder / kStateFile, state_of(state, folder).dump(1) + "\n");
  });
}

CheckpointState read_checkpoint_state(const fs::path& folder) {
  return parsed(checked_state(folder), folder);
}

CheckpointContent read_checkpoint(const fs::path& folder) {
  const json text = checked_state(folder);
  CheckpointContent content;
  content.state = parsed(text, folder);
  for (const char* name : {kModelFile, kOptimizerFile}) require_unchanged(text, folder, name);
  content.model = models::read_safetensors(folder / kModelFile).tensors;
  content.optimizer = models::read_safetensors(folder / kOptimizerFile).tensors;
  return content;
}

std::vector<int64_t> checkpoint_steps(const fs::path& checkpoints) {
  std::vector<int64_t> steps;
  std::error_code failure;
  for (fs::directory_iterator entry(checkpoints, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const int64_t step = step_of_name(entry->path().filename().string());
    if (step >= 0) steps.push_back(step);
  }
  if (failure && failure != std::errc::no_such_file_or_directory) {
    throw common::system_call_error(checkpoints.string(), "list", failure.value());
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

fs::path set_checkpoint_aside(const fs::path& checkpoints, int64_t step, const std::string& why) {
  const fs::path target = checkpoints / checkpoint_name(step);
  if (!is_there(target)) return {};
  for (int number = 1;; ++number) {
    const fs::path aside = target.string() + "." + why + "-" + std::to_string(number);
    if (is_there(aside)) continue;
    std::error_code failure;
    fs::rename(target, aside, failure);
    if (failure) throw common::system_call_error(target.string(), "rename", failure.value());
    return aside;
  }
}

void remove_checkpoint(const fs::path& checkpoints, int64_t step) {
  const fs::path folder = checkpoints / checkpoint_name(step);
  const fs::path hidden = common::temporary_name_beside(folder);
  std::error_code failure;
  fs::rename(folder, hidden, failure);
  if (failure) throw common::system_call_error(folder.string(), "rename", failure.value());
  fs::remove_all(hidden, failure);
  if (failure) throw common::system_call_error(folder.string(), "remove", failure.value());
}

void remove_remains_of_checkpoints(const fs::path& checkpoints) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(checkpoints, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    const size_t suffix = name.find(".tmp.");
    if (name[0] != '.' || suffix == std::string::npos) continue;
    if (step_of_name(name.substr(1, suffix - 1)) >= 0) names.push_back(name.substr(1, suffix - 1));
  }
  for (const std::string& name : names) common::remove_stale_temporaries(checkpoints / name);
}

}  // namespace muster::trainer
