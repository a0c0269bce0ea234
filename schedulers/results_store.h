// Scored cells of a workspace: WORKSPACE/results/*.json, one file per cell, whole or not there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "proto/report_input.pb.h"

namespace muster::schedulers {

// Protobuf's JSON form of one cell. Replaces an earlier result under the same name. Throws
// SystemError.
void write_result(const std::filesystem::path& file, const proto::ReportCell& cell);

// Throws InputError, and touches nothing, if something stands at `file` that is not a result.
// Removes what writers of it that died have left.
void require_replaceable_result(const std::filesystem::path& file);

// All results, sorted by file name. Throws InputError naming a file that is not a result, or the
// workspace if it does not exist.
std::vector<proto::ReportCell> read_results(const std::filesystem::path& workspace);

}  // namespace muster::schedulers
