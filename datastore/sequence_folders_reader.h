// A reader over folders of numbered pictures, one folder per tracklet: what the two-camera datasets
// share. Each layout only says which folders there are.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "datastore/dataset_reader.h"

namespace muster::datastore {

struct SequenceFolder {
  std::filesystem::path folder;  // relative to the root
  int32_t identity = 0;
  int16_t camera = 0;
};

// Reads pictures (*.png, *.jpg) of every folder in the order of their names. Joints come from
// ROOT/joints/<folder>.csv where that exists (the synthetic worlds write it). Throws InputError
// naming the root if `folders` is empty, or the folder if it holds no pictures.
std::unique_ptr<DatasetReader> read_sequence_folders(const std::filesystem::path& root,
                                                     const std::string& layout,
                                                     std::vector<SequenceFolder> folders);

// Sub-folders of `directory` sorted by name; throws InputError naming it if it is missing.
std::vector<std::filesystem::path> sorted_folders(const std::filesystem::path& directory);

// The number that a name ends in ("person_0012" -> 12), or -1.
int32_t trailing_number(const std::string& name);

}  // namespace muster::datastore
