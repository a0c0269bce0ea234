#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/store_verification.h"
#include "datastore/tracklet_store.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/nearest_name.h"
#include "launcher/terminal.h"

namespace muster::launcher {
namespace {

namespace fs = std::filesystem;
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
  const auto progress = terminal_progress();
  const std::vector<std::string> faults = datastore::verify_store(
      store, with_sha256 ? datastore::VerifyDepth::kSha256 : datastore::VerifyDepth::kCrc32c,
      *progress, usable_cores());
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

std::string tracklet_folder(const datastore::StoredTracklet& tracklet) {
  char name[64];
  std::snprintf(name, sizeof(name), "identity-%05d-camera-%d-sequence-%d", tracklet.identity,
                tracklet.camera, tracklet.sequence);
  return name;
}

// Frames as they are stored: JPEG files, or PPM for raw frames.
int export_frames(const std::string& directory, const std::string& output) {
  const datastore::TrackletStore store(directory);
  common::require_new_directory(output, "choose another --out");
  const fs::path temporary = common::temporary_name_beside(output);
  const bool jpeg = store.manifest().geometry.encoding == datastore::FrameEncoding::kJpeg;
  const std::string ppm_header = "P6\n" + std::to_string(store.manifest().geometry.width) + " " +
                                 std::to_string(store.manifest().geometry.height) + "\n255\n";
  const auto progress = terminal_progress();
  progress->begin("exporting", "tracklets", store.manifest().tracklets);
  int64_t done = 0;
  try {
    for (const datastore::StoredTracklet& tracklet : store.tracklets()) {
      const fs::path folder = temporary / tracklet_folder(tracklet);
      fs::create_directories(folder);
      for (int32_t frame = 0; frame < tracklet.length; ++frame) {
        const std::vector<uint8_t> bytes = store.read_frame_bytes(tracklet, frame);
        char name[32];
        std::snprintf(name, sizeof(name), "%05d.%s", frame + 1, jpeg ? "jpg" : "ppm");
        std::ofstream out(folder / name, std::ios::binary);
        if (!jpeg) out << ppm_header;
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
        out.close();
        if (!out) throw common::SystemError((folder / name).string(), "cannot be written");
      }
      progress->advance(++done);
    }
    common::publish_file(temporary, output);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  progress->end();
  return 0;
}

}  // namespace

int run_store(const std::vector<std::string>& arguments) {
  CommandLine line("muster store info|verify|export STORE",
                   "info describes a store, verify reads every byte of it against its checksums, "
                   "export writes its frames back out.");
  line.positional("action", "info, verify or export")
      .positional("store", "the store's directory")
      .flag("sha256", "verify: also compare SHA-256, slower")
      .option("out", "DIR", "export: where the frames go; must not exist yet")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  const std::string action = line.text("action"), store = line.text("store");
  if (action == "info") return print_info(store, line.has("json"));
  if (action == "verify") return verify(store, line.has("sha256"), line.has("json"));
  if (action == "export") return export_frames(store, line.text("out"));
  throw common::InputError("muster store " + action, "is not known",
                           name_hint(action, {"info", "verify", "export"}));
}

}  // namespace muster::launcher
