// Writes a rendered tracklet; every failure names its file.
#pragma once

#include <filesystem>
#include <opencv2/core.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "datastore/image.h"
#include "datastore/synthetic/tracklet_plan.h"

namespace muster::datastore {

// All throw SystemError. Nothing is synced: the world is published as a whole.
void write_bytes(const std::filesystem::path& path, std::string_view bytes);

// Encodes by the path's extension; BGR bytes in.
void write_picture(const std::filesystem::path& path, const cv::Mat& picture);

// Header, then a row per frame: name and x, y, confidence of each joint.
// `joints` holds kJointCount per frame.
std::string joints_table(const TrackletPlan& plan, const std::vector<Joint>& joints);

}  // namespace muster::datastore
