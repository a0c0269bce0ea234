#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/nearest_name.h"
#include "datastore/annotation.h"
#include "datastore/shard_contents.h"
#include "datastore/shard_reader.h"
#include "datastore/store_verification.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/store_export.h"
#include "launcher/terminal.h"

namespace muster::launcher {
namespace {

using nlohmann::json;

// Shards of another size than was written that HDF5 can read: they are read slower.
std::vector<std::string> repacked_shards(const std::string& store, const datastore::Manifest& m) {
  std::vector<std::string> repacked;
  for (const datastore::ShardRecord& shard : m.shards) {
    const std::filesystem::path path = std::filesystem::path(store) / shard.file;
    std::error_code missing;
    if (std::filesystem::file_size(path, missing) == shard.bytes || missing) continue;
    try {
      if (datastore::ShardReader(path).is_repacked()) repacked.push_back(shard.file);
    } catch (const common::Error&) {  // for verify to tell
    }
  }
  return repacked;
}

// Shards of a version that this program does not know would make what is told below a guess.
void demand_readable_shards(const std::string& store, const datastore::Manifest& m) {
  for (const datastore::ShardRecord& shard : m.shards) {
    const std::filesystem::path path = std::filesystem::path(store) / shard.file;
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) continue;
    datastore::is_as_written(path, shard);  // throws for damage that HDF5 must not meet
    datastore::demand_readable_format(path);
  }
}

json left_out_as_json(const datastore::Manifest& m) {
  json things = json::array();
  for (const datastore::LeftOut& thing : m.left_out) {
    things.push_back({{"name", thing.name}, {"reason", thing.reason}});
  }
  return things;
}

json annotations_as_json(const std::vector<datastore::AnnotationSummary>& summaries) {
  json all = json::array();
  for (const datastore::AnnotationSummary& summary : summaries) {
    all.push_back({{"name", summary.name}, {"origin", summary.origin}, {"fault", summary.fault}});
  }
  return all;
}

// What a manifest says, and what is found beside it.
struct StoreFacts {
  std::string store;
  datastore::Manifest manifest;
  std::vector<std::string> repacked;
  std::vector<datastore::AnnotationSummary> annotations;
  uint64_t bytes = 0;
  const char* encoding = "raw";
};

StoreFacts facts_of(const std::string& store) {
  StoreFacts facts{store, datastore::read_manifest(store), {}, {}};
  demand_readable_shards(store, facts.manifest);
  facts.repacked = repacked_shards(store, facts.manifest);
  facts.annotations = datastore::annotation_summaries(store, facts.manifest.shards);
  for (const auto& shard : facts.manifest.shards) facts.bytes += shard.bytes;
  const bool jpeg = facts.manifest.geometry.encoding == datastore::FrameEncoding::kJpeg;
  if (jpeg) facts.encoding = "jpeg";
  return facts;
}

void print_as_json(const StoreFacts& facts) {
  const datastore::Manifest& m = facts.manifest;
  std::cout << json_line(json{{"store", facts.store},
                              {"layout", m.facts.layout},
                              {"origin", m.facts.origin},
                              {"synthetic", m.facts.synthetic},
                              {"tracklets", m.tracklets},
                              {"identities", m.identities},
                              {"cameras", m.cameras},
                              {"frames", m.frames},
                              {"frame_height", m.geometry.height},
                              {"frame_width", m.geometry.width},
                              {"encoding", facts.encoding},
                              {"flow_height", m.geometry.flow_height},
                              {"flow_width", m.geometry.flow_width},
                              {"whole_pixel_flow", m.whole_pixel_flow},
                              {"joints", m.geometry.has_joints},
                              {"annotations", annotations_as_json(facts.annotations)},
                              {"splits", m.facts.test_identities.size()},
                              {"left_out", left_out_as_json(m)},
                              {"shards", m.shards.size()},
                              {"repacked_shards", facts.repacked},
                              {"bytes", facts.bytes},
                              {"manifest_sha256", datastore::manifest_hash(facts.store)}});
}

void print_for_people(const StoreFacts& facts) {
  const datastore::Manifest& m = facts.manifest;
  const auto row = [](const std::string& name, const std::string& value) {
    std::cout << "  " << name << std::string(12 - name.size(), ' ') << value << "\n";
  };
  const auto size = [](int height, int width) {
    return std::to_string(height) + "x" + std::to_string(width);
  };
  std::cout << facts.store << "\n";
  row("origin", m.facts.origin);
  row("layout", m.facts.layout + (m.facts.synthetic ? " (synthetic, not filmed)" : ""));
  row("tracklets", std::to_string(m.tracklets) + " of " + std::to_string(m.identities) +
                       " identities under " + std::to_string(m.cameras) + " cameras");
  row("frames", std::to_string(m.frames) + " of " + size(m.geometry.height, m.geometry.width) +
                    ", " + facts.encoding);
  row("flow", m.geometry.flow_height == 0 ? "none"
                                          : size(m.geometry.flow_height, m.geometry.flow_width) +
                                                (m.whole_pixel_flow ? ", in whole pixels" : ""));
  row("joints", m.geometry.has_joints ? "yes" : "none");
  for (const datastore::AnnotationSummary& annotation : facts.annotations) {
    row("annotation", annotation.fault.empty() ? annotation.name + ": joints, " + annotation.origin
                                               : "cannot be used: " + annotation.fault);
  }
  if (!m.facts.test_identities.empty()) {
    row("splits", std::to_string(m.facts.test_identities.size()) + " of its own");
  }
  if (!m.left_out.empty()) {
    row("left out", std::to_string(m.left_out.size()) + ", with reasons in manifest.json");
  }
  row("shards",
      std::to_string(m.shards.size()) + ", " + std::to_string(facts.bytes / 1000000) + " MB");
  for (const std::string& file : facts.repacked) row("repacked", file + ", which is read slower");
}

int print_info(const std::string& store, bool as_json) {
  const StoreFacts facts = facts_of(store);
  if (as_json) {
    print_as_json(facts);
  } else {
    print_for_people(facts);
  }
  return 0;
}

int verify(const std::string& store, bool with_sha256, bool as_json) {
  const auto progress = terminal_progress();
  std::vector<std::string> faults = datastore::verify_store(
      store, with_sha256 ? datastore::VerifyDepth::kSha256 : datastore::VerifyDepth::kCrc32c,
      *progress, usable_cores());
  if (faults.empty()) faults = datastore::contradictions_of_store(store);
  const size_t of_store = faults.size();
  for (std::string& fault :
       datastore::verify_annotations(store, datastore::read_manifest(store).shards)) {
    faults.push_back(std::move(fault));
  }
  if (as_json)
    std::cout << json_line(json{{"store", store}, {"whole", faults.empty()}, {"faults", faults}});
  for (const std::string& fault : faults) std::cerr << "muster: " << fault << "\n";
  if (faults.empty()) {
    std::cerr << store << ": every checksum matches\n";
    return 0;
  }
  std::cerr << store << ": " << faults.size()
            << " faults; restore what is named above from a copy, "
            << (of_store > 0 ? "or remove the store and ingest it again\n"
                             : "or remove the annotation and make it again\n");
  return 1;
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
      .option(
          "joints", "NAME",
          "export: the annotation that gives the joints [those of the shards, else the only one]")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  const std::string action = line.text("action"), store = line.text("store");
  if (action == "info") return print_info(store, line.has("json"));
  if (action == "verify") return verify(store, line.has("sha256"), line.has("json"));
  if (action == "export") {
    return export_store(store, line.path("out"), line.has("joints") ? line.text("joints") : "",
                        line.has("json"));
  }
  throw common::InputError("muster store " + action, "is not known",
                           common::name_hint(action, {"info", "verify", "export"}));
}

}  // namespace muster::launcher
