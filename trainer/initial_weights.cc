#include "trainer/initial_weights.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "common/error.h"
#include "common/sha256.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"
#include "trainer/run_directory.h"

namespace muster::trainer {
namespace {

namespace fs = std::filesystem;
using common::InputError;

std::string entry_name(int index) {
  return "training.initialize_from[" + std::to_string(index) + "]";
}

fs::path file_of(const proto::InitialWeights& entry, int index) {
  if (entry.weights().empty()) {
    throw InputError(entry_name(index) + ".weights", "is empty",
                     "name a safetensors file or the directory of a finished run");
  }
  const fs::path path = entry.weights();
  std::error_code ignored;
  return fs::is_directory(path, ignored) ? read_finished_run(path).weights : path;
}

// The name within the module, or nothing where it lies elsewhere.
bool strip_module(const std::string& module, std::string& name) {
  if (module.empty()) return true;
  if (name.compare(0, module.size() + 1, module + ".") != 0) return false;
  name.erase(0, module.size() + 1);
  return true;
}

// "aligned, main, main_temporal": what stands before the first dot.
template <typename Named>
std::string modules_of(const Named& tensors) {
  std::set<std::string> modules;
  for (const auto& item : tensors) modules.insert(item.first.substr(0, item.first.find('.')));
  std::string text;
  for (const std::string& module : modules) text += (text.empty() ? "" : ", ") + module;
  return text;
}

// The tensors of one module under their names within it.
template <typename Named>
std::vector<std::pair<std::string, at::Tensor>> within(const Named& tensors,
                                                       const std::string& module,
                                                       const std::string& setting,
                                                       const std::string& owner) {
  std::vector<std::pair<std::string, at::Tensor>> found;
  for (const auto& item : tensors) {
    std::string name = item.first;
    if (strip_module(module, name)) found.emplace_back(name, item.second);
  }
  if (found.empty() && !module.empty()) {
    throw InputError(setting, "'" + module + "' is no module of " + owner,
                     "there are: " + modules_of(tensors));
  }
  return found;
}

// "13 loaded, 0 not fitting, ...": the report's first line.
std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::vector<std::string> hashes_of_initial_weights(const proto::Training& training) {
  std::vector<std::string> hashes;
  for (int i = 0; i < training.initialize_from_size(); ++i) {
    hashes.push_back(common::sha256_of_file(file_of(training.initialize_from(i), i)));
  }
  return hashes;
}

void load_initial_weights(const proto::Training& training, const models::NamedTensors& weights,
                          common::ProgressSink& progress) {
  for (int i = 0; i < training.initialize_from_size(); ++i) {
    const proto::InitialWeights& entry = training.initialize_from(i);
    const fs::path file = file_of(entry, i);
    const auto given = within(models::read_safetensors(file).tensors, entry.take(),
                              entry_name(i) + ".take", file.string());
    const models::NamedTensors wanted =
        within(weights, entry.into(), entry_name(i) + ".into", "the network");
    const models::WeightReport report = models::load_weights(
        wanted, {given.begin(), given.end()},
        entry.partial() ? models::Loading::kPartial : models::Loading::kStrict, file.string());
    progress.note((entry.into().empty() ? "the network" : entry.into()) + " starts from " +
                  file.string() + ": " + first_line(report.text()));
  }
}

}  // namespace muster::trainer
