#include "datastore/ingest.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/nearest_name.h"
#include "datastore/dataset_catalog.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/terminal.h"

namespace muster::launcher {
namespace {

using common::InputError;

const datastore::LayoutEntry& layout_named(const std::string& name) {
  std::vector<std::string> names;
  for (const datastore::LayoutEntry& entry : datastore::layout_catalog()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError("--layout '" + name + "'", "is not known", common::name_hint(name, names));
}

template <typename T>
T choice(const CommandLine& line, const std::string& option,
         const std::vector<std::pair<std::string, T>>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (name == line.text(option)) return value;
    names.push_back(name);
  }
  throw InputError("--" + option + " '" + line.text(option) + "'", "is not known",
                   common::name_hint(line.text(option), names));
}

datastore::IngestOptions ingest_options(const CommandLine& line,
                                        const datastore::LayoutEntry& layout) {
  using datastore::FrameEncoding;
  using datastore::OnError;
  datastore::IngestOptions options;
  options.frame_height = layout.frame_height;
  options.frame_width = layout.frame_width;
  if (line.has("frame-size")) {
    options.frame_height = line.size("frame-size").height;
    options.frame_width = line.size("frame-size").width;
  }
  options.encoding = choice<FrameEncoding>(
      line, "encoding", {{"jpeg", FrameEncoding::kJpeg}, {"raw", FrameEncoding::kRaw}});
  options.flow_height = line.size("flow-size").height;
  options.flow_width = line.size("flow-size").width;
  if (!choice<bool>(line, "flow", {{"lucas-kanade", true}, {"none", false}})) {
    options.flow_height = options.flow_width = 0;
  }
  options.whole_pixel_flow = line.has("whole-pixel-flow");
  options.jobs = line.threads("jobs");
  options.shard_bytes = static_cast<uint64_t>(line.integer("shard-mib", 1, 1 << 20)) << 20;
  options.on_error =
      choice<OnError>(line, "on-error", {{"fail", OnError::kFail}, {"skip", OnError::kSkip}});
  return options;
}

const char* outcome_phrase(datastore::IngestOutcome outcome) {
  switch (outcome) {
    case datastore::IngestOutcome::kAlreadyThere:
      return "was already there, unchanged";
    case datastore::IngestOutcome::kContinued:
      return "continued and finished";
    case datastore::IngestOutcome::kBuilt:
      break;
  }
  return "built";
}

}  // namespace

int run_ingest(const std::vector<std::string>& arguments) {
  std::string layouts = "what the input is:";
  for (const auto& entry : datastore::layout_catalog()) {
    layouts += "\n  " + entry.name + ": " + entry.summary;
  }
  CommandLine line("muster ingest --layout LAYOUT --input PATH --store DIR",
                   "Turns a dataset or a video into a store: frames, optical flow and checksums in "
                   "HDF5 shards.\nRun it again after an interruption: finished shards are kept.");
  line.option("layout", "LAYOUT", layouts)
      .option("input", "PATH", "the dataset's root folder, or a video or a folder of them")
      .option("store", "DIR", "where the store goes")
      .option("frame-size", "HxW", "pixels of a stored frame [the layout's own]")
      .option("encoding", "NAME", "jpeg or raw", "jpeg")
      .option("flow", "NAME", "lucas-kanade or none", "lucas-kanade")
      .option("flow-size", "HxW", "stored size of the flow; computed at frame size", "64x48")
      .flag("whole-pixel-flow", "round flow to whole pixels first, as the original preprocessing")
      .option("shard-mib", "N", "size aimed at", "1024")
      .option("jobs", "N", "threads; 0: all cores; changes no byte", "0")
      .option("on-error", "NAME", "fail, or skip what cannot be read", "fail")
      .flag("json", "print the store's facts as JSON");
  if (!line.parse(arguments)) return 0;
  const datastore::LayoutEntry& layout = layout_named(line.text("layout"));
  const datastore::IngestOptions options = ingest_options(line, layout);
  const std::string input = line.text("input"), store = line.path("store");
  const auto progress = terminal_progress();
  datastore::DatasetOptions dataset_options;
  dataset_options.frame_height = options.frame_height;
  dataset_options.frame_width = options.frame_width;
  dataset_options.jobs = options.jobs;
  dataset_options.on_error = options.on_error;
  const auto dataset = layout.open(input, dataset_options, *progress);
  const datastore::IngestResult result = datastore::ingest(*dataset, store, options, *progress);
  const datastore::Manifest& manifest = result.manifest;
  std::cerr << store << ": " << outcome_phrase(result.outcome) << ", " << manifest.tracklets
            << " tracklets of " << manifest.identities << " identities, " << manifest.frames
            << " frames in " << manifest.shards.size()
            << (manifest.shards.size() == 1 ? " shard" : " shards");
  if (!manifest.left_out.empty()) {
    std::cerr << ", " << manifest.left_out.size() << " left out, with reasons in manifest.json";
  }
  std::cerr << "\n";
  if (line.has("json")) {
    nlohmann::json left_out = nlohmann::json::array();
    for (const auto& thing : manifest.left_out) {
      left_out.push_back({{"name", thing.name}, {"reason", thing.reason}});
    }
    std::cout << json_line(nlohmann::json{{"store", store},
                                          {"outcome", outcome_phrase(result.outcome)},
                                          {"tracklets", manifest.tracklets},
                                          {"identities", manifest.identities},
                                          {"frames", manifest.frames},
                                          {"cameras", manifest.cameras},
                                          {"shards", manifest.shards.size()},
                                          {"left_out", left_out}});
  }
  return 0;
}

}  // namespace muster::launcher
