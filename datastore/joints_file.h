// Body joints of one tracklet as a table: a heading, then a row per frame.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

// Rows are "frame name, x, y, confidence of joint 1, x, y, ..."; [frames * kJointCount] in pixels.
// Throws InputError naming the file if it does not have exactly `frames` rows of 42 finite numbers.
std::vector<Joint> read_joints_file(const std::filesystem::path& path, int64_t frames);

// Such a table, from which exactly the same numbers are read again. `joints` are
// [frames * kJointCount], `frame_names` one per frame.
std::string joints_text(const std::vector<std::string>& frame_names,
                        const std::vector<Joint>& joints);

}  // namespace muster::datastore
