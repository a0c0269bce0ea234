#include "schedulers/results_store.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::schedulers {
namespace fs = std::filesystem;

void write_result(const fs::path& file, const proto::ReportCell& cell) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  MUSTER_REQUIRE(google::protobuf::util::MessageToJsonString(cell, &text, options).ok(), ==, true);
  common::make_directories(file.parent_path());
  common::write_file_atomically(file, text);
}

void require_replaceable_result(const fs::path& file) {
  std::error_code ignored;
  if (fs::exists(file, ignored)) {
    proto::ReportCell cell;
    // Every result has queries; other JSON objects may parse as an empty one.
    const bool ours =
        fs::is_regular_file(file, ignored) &&
        google::protobuf::util::JsonStringToMessage(common::read_file(file), &cell).ok() &&
        cell.has_queries();
    if (!ours) {
      throw common::InputError(file.string(), "already exists and is not a result of muster's",
                               "choose another --result or move it away");
    }
  }
  common::remove_stale_temporaries(file);
}

std::vector<proto::ReportCell> read_results(const fs::path& workspace) {
  std::error_code failure;
  if (!fs::is_directory(workspace, failure)) {
    throw common::InputError(workspace.string(), "is not a workspace: no such directory");
  }
  std::vector<fs::path> files;
  const fs::path results = workspace / "results";
  if (fs::is_directory(results, failure)) {
    for (const auto& entry : fs::directory_iterator(results)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() == ".json" && name[0] != '.') files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<proto::ReportCell> cells;
  for (const fs::path& file : files) {
    proto::ReportCell cell;
    const auto status = google::protobuf::util::JsonStringToMessage(common::read_file(file), &cell);
    if (!status.ok()) {
      std::string reason(status.message());
      std::replace(reason.begin(), reason.end(), '\n', ' ');
      throw common::InputError(file.string(), "is not a result: " + reason,
                               "remove it and score again");
    }
    cells.push_back(cell);
  }
  return cells;
}

}  // namespace muster::schedulers
