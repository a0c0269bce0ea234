#include "launcher/store_export.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "datastore/export.h"
#include "launcher/json_line.h"
#include "launcher/terminal.h"

namespace muster::launcher {

int export_store(const std::string& store, const std::filesystem::path& output,
                 const std::string& annotation, bool as_json) {
  const auto progress = terminal_progress();
  const datastore::ExportResult result =
      datastore::export_store(store, output, annotation, *progress);
  std::cerr << output.string() << ": " << result.tracklets << " tracklets, " << result.frames
            << " frames"
            << (result.annotation.empty() ? "" : ", joints of annotation " + result.annotation)
            << "; muster ingest --layout " << result.layout << " reads them\n";
  if (as_json) {
    std::cout << json_line(nlohmann::json{{"store", store},
                                          {"directory", output.string()},
                                          {"layout", result.layout},
                                          {"annotation", result.annotation},
                                          {"tracklets", result.tracklets},
                                          {"frames", result.frames}});
  }
  return 0;
}

}  // namespace muster::launcher
