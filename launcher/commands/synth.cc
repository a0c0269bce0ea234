#include <iostream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/nearest_name.h"
#include "datastore/synthetic/synthetic_world.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/terminal.h"

namespace muster::launcher {

int run_synth(const std::vector<std::string>& arguments) {
  CommandLine line("muster synth --world WORLD --out DIR",
                   "Renders a small synthetic dataset in the directory layout of a real one. The "
                   "same options give the same bytes.");
  line.option("world", "WORLD", "mars, prid2011, ilids-vid, sdu-vid, mot or video")
      .option("out", "DIR", "the dataset's root; must not exist yet")
      .option("identities", "N", "people to render; 0: what the world usually has", "0")
      .option("frames", "N", "mean frames per tracklet or walk; 0: what the world usually has", "0")
      .option("seed", "S", "of all chance", "1")
      .option("jobs", "N", "threads; 0: all cores", "0")
      .flag("json", "print what was made as JSON");
  if (!line.parse(arguments)) return 0;
  datastore::SyntheticWorldOptions options;
  options.world = line.text("world");
  const std::vector<std::string> worlds = datastore::synthetic_world_names();
  if (std::find(worlds.begin(), worlds.end(), options.world) == worlds.end()) {
    throw common::InputError("--world '" + options.world + "'", "is not known",
                             common::name_hint(options.world, worlds));
  }
  options.output = line.path("out");
  options.identities = static_cast<int>(line.integer("identities", 0, 9999));
  options.frames = static_cast<int>(line.integer("frames", 0, 500));
  options.seed = static_cast<uint64_t>(line.integer("seed", 0, 1LL << 62));
  options.jobs = line.threads("jobs");
  const auto progress = terminal_progress();
  datastore::render_synthetic_world(options, *progress);
  if (line.has("json")) {
    std::cout << json_line(nlohmann::json{{"world", options.world},
                                          {"directory", options.output.string()},
                                          {"seed", options.seed},
                                          {"synthetic", true}});
  }
  return 0;
}

}  // namespace muster::launcher
