#include <iostream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#ifdef MUSTER_INGEST
#include "datastore/export.h"
#endif
#include "datastore/tracklet_store.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/nearest_name.h"
#include "launcher/terminal.h"

namespace muster::launcher {
namespace {

using nlohmann::json;

int print_info(const std::string& store, bool as_json) {
  const datastore::Manifest m = datastore::read_manifest(store);
  uint64_t bytes = 0;
  for (const auto& shard : m.shards) bytes += shard.bytes;
  if (as_json) {
    std::cout << json_line(json{{"store", store},
                                {"layout", m.facts.layout},
                                {"origin", m.facts.origin},
                                {"synthetic", m.facts.synthetic},
                                {"tracklets", m.tracklets},
                                {"identities", m.identities},
                                {"cameras", m.cameras},
                                {"frames", m.frames},
                                {"frame_height", m.geometry.height},
                                {"frame_width", m.geometry.width},
                                {"flow_height", m.geometry.flow_height},
                                {"flow_width", m.geometry.flow_width},
                                {"joints", m.geometry.has_joints},
                                {"shards", m.shards.size()},
                                {"bytes", bytes},
                                {"manifest_sha256", datastore::manifest_hash(store)}});
    return 0;
  }
  std::cout << store << "\n  origin      " << m.facts.origin << "\n  layout      " << m.facts.layout
            << (m.facts.synthetic ? " (synthetic, not filmed)" : "") << "\n  tracklets   "
            << m.tracklets << " of " << m.identities << " identities under " << m.cameras
            << " cameras\n  frames      " << m.frames << " of " << m.geometry.height << "x"
            << m.geometry.width << ", "
            << (m.geometry.encoding == datastore::FrameEncoding::kJpeg ? "jpeg" : "raw")
            << "\n  flow        "
            << (m.geometry.flow_height > 0 ? std::to_string(m.geometry.flow_height) + "x" +
                                                 std::to_string(m.geometry.flow_width)
                                           : "none")
            << "\n  joints      " << (m.geometry.has_joints ? "yes" : "none") << "\n  shards      "
            << m.shards.size() << ", " << bytes / 1000000 << " MB\n";
  return 0;
}

int verify(const std::string& store, bool with_sha256, bool as_json) {
  const std::vector<std::string> faults = datastore::verify_store(
      store, with_sha256 ? datastore::VerifyDepth::kSha256 : datastore::VerifyDepth::kCrc32c);
  if (as_json)
    std::cout << json_line(json{{"store", store}, {"whole", faults.empty()}, {"faults", faults}});
  for (const std::string& fault : faults) std::cerr << "muster: " << fault << "\n";
  if (faults.empty()) {
    std::cerr << store << ": every checksum matches\n";
    return 0;
  }
  std::cerr << store << ": " << faults.size() << " faults; restore the shards named above from a "
            << "copy, or remove the store and ingest it again\n";
  return 1;
}

int export_dataset(const std::string& store, const std::string& output, bool as_json) {
#ifdef MUSTER_INGEST
  const auto progress = terminal_progress();
  const datastore::ExportResult result = datastore::export_store(store, output, *progress);
  std::cerr << output << ": " << result.tracklets << " tracklets, " << result.frames
            << " frames; muster ingest --layout " << result.layout << " reads them\n";
  if (as_json) {
    std::cout << json_line(json{{"store", store},
                                {"directory", output},
                                {"layout", result.layout},
                                {"tracklets", result.tracklets},
                                {"frames", result.frames}});
  }
  return 0;
#else
  (void)as_json;
  throw common::InputError("muster store export " + store + " --out " + output,
                           "is not part of this program, which was built without ingest",
                           "use one that was built with -DMUSTER_INGEST=ON");
#endif
}

}  // namespace

int run_store(const std::vector<std::string>& arguments) {
  CommandLine line("muster store info|verify|export STORE",
                   "info describes a store, verify reads every byte of it against its checksums, "
                   "export writes the dataset back out, in its own layout; videos become sdu-vid.");
  line.positional("action", "info, verify or export")
      .positional("store", "the store's directory")
      .flag("sha256", "verify: also compare SHA-256, slower")
      .option("out", "DIR", "export: where the dataset goes; must not exist yet")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  const std::string action = line.text("action"), store = line.text("store");
  if (action == "info") return print_info(store, line.has("json"));
  if (action == "verify") return verify(store, line.has("sha256"), line.has("json"));
  if (action == "export") return export_dataset(store, line.text("out"), line.has("json"));
  throw common::InputError("muster store " + action, "is not known",
                           name_hint(action, {"info", "verify", "export"}));
}

}  // namespace muster::launcher
