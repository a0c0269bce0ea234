// The random halves that the two-camera datasets are published with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"

namespace muster::datastore {

// A file has kOfficialSplits of them. Each function fills test_identities and split_identities of
// `facts`, ascending, or compares with what is there already: two files that disagree are refused.
// Both throw InputError naming the file if it does not fit.

// MATLAB table `ls_set`: a row per split, a permutation of 1 .. persons. The numbers count through
// `persons`; the first half of a row tests, the second trains.
void read_matlab_splits(const std::filesystem::path& file, const std::vector<int32_t>& persons,
                        DatasetFacts& facts);

// Torchreid's JSON: a list of {"train": [folder names], "test": [folder names]}. `persons` are the
// folders that may be named.
void read_named_splits(const std::filesystem::path& file,
                       const std::map<std::string, int32_t>& persons, DatasetFacts& facts);

}  // namespace muster::datastore
