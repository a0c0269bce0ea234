#include "datastore/official_splits.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/matlab_reader.h"
#include "datastore/two_camera_facts.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;
using nlohmann::json;

namespace {

constexpr char kRemedy[] = "fetch the file that belongs to these folders, or remove it";

void require_split_count(const fs::path& file, size_t splits) {
  if (splits == size_t{kOfficialSplits}) return;
  throw InputError(
      file.string(),
      "holds " + std::to_string(splits) + " splits instead of " + std::to_string(kOfficialSplits),
      kRemedy);
}

void take_over(const fs::path& file, std::vector<std::vector<int32_t>> tests,
               std::vector<int32_t> all, DatasetFacts& facts) {
  for (auto& identities : tests) std::sort(identities.begin(), identities.end());
  std::sort(all.begin(), all.end());
  if (!facts.test_identities.empty() &&
      (facts.test_identities != tests || facts.split_identities != all)) {
    throw InputError(file.string(), "says other splits than the file of splits beside it",
                     "remove the one that is wrong");
  }
  facts.test_identities = std::move(tests);
  facts.split_identities = std::move(all);
}

// The persons that a list of folder names stands for; none may be in `seen` already.
std::vector<int32_t> named_persons(const fs::path& file, const json& names,
                                   const std::map<std::string, int32_t>& persons,
                                   std::set<int32_t>& seen) {
  std::vector<int32_t> identities;
  for (const json& value : names) {
    const auto name = value.get<std::string>();
    const auto person = persons.find(name);
    if (person == persons.end()) {
      throw InputError(file.string(), "names '" + name + "', which is no person's folder", kRemedy);
    }
    if (!seen.insert(person->second).second) {
      throw InputError(file.string(), "names '" + name + "' twice in one split", kRemedy);
    }
    identities.push_back(person->second);
  }
  return identities;
}

}  // namespace

void read_matlab_splits(const fs::path& file, const std::vector<int32_t>& persons,
                        DatasetFacts& facts) {
  const IntegerMatrix table = read_matlab_matrix(file, "ls_set");
  if (table.columns != persons.size()) {
    throw InputError(file.string(),
                     "divides " + std::to_string(table.columns) + " persons, there are " +
                         std::to_string(persons.size()),
                     kRemedy);
  }
  require_split_count(file, table.rows);
  std::vector<std::vector<int32_t>> tests(table.rows);
  for (size_t split = 0; split < table.rows; ++split) {
    std::set<int64_t> seen;
    for (size_t column = 0; column < table.columns; ++column) {
      const int64_t number = table.at(split, column);
      if (number < 1 || number > static_cast<int64_t>(persons.size()) ||
          !seen.insert(number).second) {
        throw InputError(file.string(),
                         "row " + std::to_string(split + 1) + " is no permutation of 1 to " +
                             std::to_string(persons.size()) + ": it holds " +
                             std::to_string(number) + " at column " + std::to_string(column + 1),
                         kRemedy);
      }
      if (column < table.columns / 2) {
        tests[split].push_back(persons[static_cast<size_t>(number) - 1]);
      }
    }
  }
  take_over(file, std::move(tests), persons, facts);
}

void read_named_splits(const fs::path& file, const std::map<std::string, int32_t>& persons,
                       DatasetFacts& facts) {
  std::vector<std::vector<int32_t>> tests;
  std::set<int32_t> all;
  try {
    const json splits = json::parse(common::read_file(file));
    if (!splits.is_array()) throw InputError(file.string(), "is no list of splits", kRemedy);
    require_split_count(file, splits.size());
    for (const json& split : splits) {
      std::set<int32_t> seen;
      tests.push_back(named_persons(file, split.at("test"), persons, seen));
      named_persons(file, split.at("train"), persons, seen);
      if (tests.size() > 1 && seen != all) {
        throw InputError(
            file.string(),
            "split " + std::to_string(tests.size()) + " divides other persons than the first",
            kRemedy);
      }
      all = std::move(seen);
    }
  } catch (const json::exception& failure) {
    throw InputError(file.string(), std::string("is no list of splits: ") + failure.what(),
                     kRemedy);
  }
  take_over(file, std::move(tests), {all.begin(), all.end()}, facts);
}

}  // namespace muster::datastore
