// The frames of MARS as its file names and name lists tell them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "common/progress_sink.h"
#include "datastore/fault_list.h"
#include "datastore/picture_dataset.h"

namespace muster::datastore {

// "0001C1T0002F003.jpg": frame 3 of tracklet 2 of identity 1 under camera 1. The label "00-1" is
// identity -1.
struct MarsName {
  int32_t identity = 0;
  int16_t camera = 0;
  int32_t tracklet = 0;
};
constexpr size_t kMarsLabelLength = 4;      // "0001"
constexpr size_t kMarsTrackletLength = 11;  // "0001C1T0002"

// Nothing if it is no such name.
std::optional<MarsName> mars_name(std::string_view name);

// Appends the names of `part` ("train" or "test") to `names`: those of ROOT/info/PART_name.txt or,
// where that is missing, of a walk through ROOT/bbox_PART in the order of the published lists.
// Pictures with other names are faults of the walk; a list that holds one throws InputError naming
// list and line.
void add_mars_names(const std::filesystem::path& root, const std::string& part, PackedNames& names,
                    FaultList& faults, common::ProgressSink& progress);

}  // namespace muster::datastore
