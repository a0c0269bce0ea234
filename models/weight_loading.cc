#include "models/weight_loading.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "common/error.h"

namespace muster::models {
namespace {

constexpr size_t kNamesInOneLine = 8;
constexpr size_t kLinesOfOneKind = 8;

bool is_torch_counter(const std::string& name) {
  const std::string counter = "num_batches_tracked";
  const bool ends = name.size() >= counter.size() &&
                    name.compare(name.size() - counter.size(), counter.size(), counter) == 0;
  return ends && (name.size() == counter.size() || name[name.size() - counter.size() - 1] == '.');
}

std::string shape_text(const at::Tensor& tensor) {
  std::string text;
  for (const int64_t size : tensor.sizes()) {
    text += (text.empty() ? "" : ", ") + std::to_string(size);
  }
  return "[" + text + "]";
}

// "" if the tensor can be copied into the weight.
std::string misfit(const at::Tensor& weight, const at::Tensor& value) {
  if (value.sizes() != weight.sizes()) {
    return "is " + shape_text(value) + " in the file, " + shape_text(weight) + " in the network";
  }
  if (value.is_floating_point() != weight.is_floating_point()) {
    return std::string("has type ") + at::toString(value.scalar_type()) + " in the file, " +
           at::toString(weight.scalar_type()) + " in the network";
  }
  return "";
}

// Also as the weight's type, which may hold less than the file's.
void demand_finite(const at::Tensor& value, const at::Tensor& weight, const std::string& name,
                   const std::string& source) {
  if (!value.isfinite().all().item<bool>()) {
    throw common::InputError(source, "tensor '" + name + "' holds values that are not finite");
  }
  if (!value.to(weight.scalar_type()).isfinite().all().item<bool>()) {
    throw common::InputError(source, "tensor '" + name + "' holds values beyond the range of " +
                                         at::toString(weight.scalar_type()));
  }
}

// What a strict loading refuses, as one line of at most a few names.
std::string problems_of(const WeightReport& report) {
  std::vector<std::string> problems;
  for (const WeightProblem& problem : report.not_fitting) {
    problems.push_back("'" + problem.name + "' " + problem.text);
  }
  for (const std::string& name : report.missing) problems.push_back("'" + name + "' is missing");
  for (const std::string& name : report.unused) {
    problems.push_back("'" + name + "' belongs to no parameter");
  }
  std::string line;
  for (size_t i = 0; i < std::min(problems.size(), kNamesInOneLine); ++i) {
    line += (i > 0 ? ", " : "") + problems[i];
  }
  if (problems.size() > kNamesInOneLine) {
    line += " and " + std::to_string(problems.size() - kNamesInOneLine) + " more";
  }
  return line;
}

// Throws if so few tensors of the file fit that they fit by chance: a bias of as many classes.
void demand_kinship(const WeightReport& report, const std::string& source) {
  constexpr size_t kLeastShare = 10;  // one of so many must fit
  const size_t fitting = report.loaded.size();
  const size_t all = fitting + report.not_fitting.size() + report.unused.size();
  if (fitting > 0 && fitting * kLeastShare >= all) return;
  throw common::InputError(source,
                           std::to_string(fitting) + " of " + std::to_string(all) + " tensors fit",
                           "it is of another network");
}

// "KIND: LINE" for the first of `lines`, and how many more there are.
std::string first_lines(const std::string& kind, const std::vector<std::string>& lines) {
  std::string text;
  const size_t shown = std::min(lines.size(), kLinesOfOneKind);
  for (size_t i = 0; i < shown; ++i) text += kind + ": " + lines[i] + "\n";
  if (lines.size() > shown) {
    text += kind + ": and " + std::to_string(lines.size() - shown) + " more\n";
  }
  return text;
}

WeightReport compare(const NamedTensors& weights, const std::map<std::string, at::Tensor>& values) {
  WeightReport report;
  std::set<std::string> left;
  for (const auto& [name, value] : values) left.insert(name);
  for (const auto& [name, weight] : weights) {
    left.erase(name);
    const auto found = values.find(name);
    if (found == values.end()) {
      report.missing.push_back(name);
      continue;
    }
    const std::string problem = misfit(weight, found->second);
    if (problem.empty()) {
      report.loaded.push_back(name);
    } else {
      report.not_fitting.push_back({name, problem});
    }
  }
  for (const std::string& name : left) {
    if (!is_torch_counter(name)) report.unused.push_back(name);
  }
  std::sort(report.loaded.begin(), report.loaded.end());
  std::sort(report.missing.begin(), report.missing.end());
  std::sort(report.not_fitting.begin(), report.not_fitting.end(),
            [](const auto& one, const auto& other) { return one.name < other.name; });
  return report;
}

}  // namespace

std::string WeightReport::text() const {
  std::string lines = std::to_string(loaded.size()) + " loaded, " +
                      std::to_string(not_fitting.size()) + " not fitting, " +
                      std::to_string(missing.size()) + " not in the file, " +
                      std::to_string(unused.size()) + " not in the network\n";
  const auto plain = [](const std::vector<std::string>& names) {
    std::vector<std::string> texts;
    for (const std::string& name : names) texts.push_back(common::one_line(name));
    return texts;
  };
  std::vector<std::string> problems;
  for (const WeightProblem& problem : not_fitting) {
    problems.push_back(common::one_line(problem.name) + " " + problem.text);
  }
  lines += first_lines("not fitting", problems);
  lines += first_lines("not in the file", plain(missing));
  lines += first_lines("not in the network", plain(unused));
  return lines;
}

WeightReport load_weights(const NamedTensors& weights,
                          const std::map<std::string, at::Tensor>& values, Loading loading,
                          const std::string& source) {
  WeightReport report = compare(weights, values);
  const bool whole = report.not_fitting.empty() && report.missing.empty() && report.unused.empty();
  if (loading == Loading::kStrict && !whole) {
    throw common::InputError(source, "does not fit the network: " + problems_of(report),
                             "give the settings it was trained with");
  }
  if (loading == Loading::kPartial && !weights.empty()) demand_kinship(report, source);
  const std::set<std::string> chosen(report.loaded.begin(), report.loaded.end());
  // All are looked at before any is changed.
  for (const auto& [name, weight] : weights) {
    if (chosen.count(name) > 0) demand_finite(values.at(name), weight, name, source);
  }
  for (const auto& [name, weight] : weights) {
    if (chosen.count(name) > 0) weight.detach().copy_(values.at(name));
  }
  return report;
}

}  // namespace muster::models
