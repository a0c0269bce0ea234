#include "trainer/parameter_groups.h"

#include <cmath>
#include <set>
#include <string>

#include "common/error.h"
#include "common/nearest_name.h"
#include "common/number_text.h"

namespace muster::trainer {
namespace {

using common::InputError;
using proto::ParameterGroup;

// In whole words: "conv" begins "conv.weight", not "conv1.weight".
bool begins(const std::string& name, const std::string& prefix) {
  return prefix.empty() || (name + ".").compare(0, prefix.size() + 1, prefix + ".") == 0;
}

bool ends(const std::string& name, const std::string& suffix) {
  if (suffix.empty()) return true;
  const std::string dotted = "." + name, end = "." + suffix;
  return dotted.size() >= end.size() &&
         dotted.compare(dotted.size() - end.size(), end.size(), end) == 0;
}

bool fits(const ParameterGroup& group, const std::string& name) {
  return begins(name, group.prefix()) && ends(name, group.suffix());
}

// "a.b.c": a, a.b, a.b.c.
std::vector<std::string> beginnings(const std::string& name) {
  std::vector<std::string> all;
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    all.push_back(name.substr(0, dot));
  }
  all.push_back(name);
  return all;
}

// The nearest of all beginnings, or else what stands before the first dots.
std::string hint_of_prefix(const std::string& prefix, const models::NamedTensors& parameters) {
  std::set<std::string> all, modules;
  for (const auto& [name, value] : parameters) {
    const std::vector<std::string> own = beginnings(name);
    all.insert(own.begin(), own.end());
    modules.insert(own.front());
  }
  const std::string nearest = common::nearest_name(prefix, {all.begin(), all.end()});
  if (!nearest.empty()) return "did you mean '" + nearest + "'?";
  return common::name_hint("", {modules.begin(), modules.end()});
}

std::string hint_of_suffix(const std::string& suffix, const models::NamedTensors& parameters) {
  std::set<std::string> words;
  for (const auto& [name, value] : parameters) words.insert(name.substr(name.rfind('.') + 1));
  return common::name_hint(suffix, {words.begin(), words.end()});
}

template <typename Test>
bool any_name(const models::NamedTensors& parameters, const Test& test) {
  for (const auto& [name, value] : parameters) {
    if (test(name)) return true;
  }
  return false;
}

void demand_factor(double factor, const std::string& field) {
  if (factor >= 0 && std::isfinite(factor)) return;
  throw InputError(field, common::number_text(factor) + " is not a number of at least 0");
}

void require_group(const ParameterGroup& group, const std::string& place,
                   const models::NamedTensors& parameters) {
  demand_factor(group.learning_rate_factor(), place + ".learning_rate_factor");
  demand_factor(group.weight_decay_factor(), place + ".weight_decay_factor");
  if (!any_name(parameters, [&](const auto& name) { return begins(name, group.prefix()); })) {
    throw InputError(place + ".prefix", "no parameter's name begins with '" + group.prefix() + "'",
                     hint_of_prefix(group.prefix(), parameters));
  }
  if (!any_name(parameters, [&](const auto& name) { return ends(name, group.suffix()); })) {
    throw InputError(place + ".suffix", "no parameter's name ends with '" + group.suffix() + "'",
                     hint_of_suffix(group.suffix(), parameters));
  }
  if (!any_name(parameters, [&](const auto& name) { return fits(group, name); })) {
    throw InputError(place, "no parameter's name both begins with '" + group.prefix() +
                                "' and ends with '" + group.suffix() + "'");
  }
}

// Both may fit one name.
bool goes_before(const ParameterGroup& a, const ParameterGroup& b) {
  if (a.prefix().size() != b.prefix().size()) return a.prefix().size() > b.prefix().size();
  return a.suffix().size() > b.suffix().size();
}

}  // namespace

std::vector<GroupFactors> group_factors(const proto::Optimizer& settings,
                                        const models::NamedTensors& parameters) {
  std::set<std::pair<std::string, std::string>> known;
  for (int i = 0; i < settings.group_size(); ++i) {
    const ParameterGroup& group = settings.group(i);
    const std::string place = "training.optimizer.group[" + std::to_string(i) + "]";
    require_group(group, place, parameters);
    if (!known.insert({group.prefix(), group.suffix()}).second) {
      throw InputError(place, "is of the same parameters as a group before it");
    }
  }
  std::vector<GroupFactors> factors;
  for (const auto& [name, value] : parameters) {
    const ParameterGroup* chosen = nullptr;
    for (const ParameterGroup& group : settings.group()) {
      if (fits(group, name) && (chosen == nullptr || goes_before(group, *chosen))) chosen = &group;
    }
    factors.push_back(chosen == nullptr ? GroupFactors{}
                                        : GroupFactors{chosen->learning_rate_factor(),
                                                       chosen->weight_decay_factor()});
  }
  return factors;
}

}  // namespace muster::trainer
