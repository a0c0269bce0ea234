#include <ATen/Parallel.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "launcher/json_line.h"
#include "launcher/terminal.h"
#include "trainer/joint_annotation.h"

namespace muster::launcher {

int run_annotate(const std::vector<std::string>& arguments) {
  CommandLine line("muster annotate --run DIR --store NAME=DIR --name NAME",
                   "Finds the body joints of every frame of a store with a trained pose_network "
                   "and writes them beside it, as STORE/annotations/NAME; no shard is changed. "
                   "Networks that look at joints take them by data.joints.");
  line.option("run", "DIR", "a finished training of pose_network")
      .repeated("store", "NAME=DIR", "the store to look at")
      .option("name", "NAME", "of the annotation; one of these weights is left alone")
      .flag("replace", "take the place of an annotation by other weights")
      .option("threads", "N", "of the computation; 0: all cores", "0")
      .flag("json", "print what was written as JSON");
  if (!line.parse(arguments)) return 0;
  const auto stores = named_directories(line.texts("store"), "--store");
  if (stores.size() != 1) {
    throw common::InputError(
        "--store", "exactly one store is wanted, " + std::to_string(stores.size()) + " are given");
  }
  trainer::AnnotationRequest request;
  request.name = line.text("name");
  request.replace = line.has("replace");
  request.run = trainer::read_finished_run(line.text("run"));
  request.store_directory = stores.begin()->second;
  at::set_num_threads(line.threads("threads"));
  const auto progress = terminal_progress();
  const trainer::AnnotationReport report = trainer::annotate_store(request, *progress);
  if (line.has("json")) {
    std::cout << json_line(nlohmann::json{{"store", stores.begin()->first},
                                          {"annotation", request.name},
                                          {"written", report.written},
                                          {"frames", report.frames},
                                          {"origin", report.origin}});
  }
  return 0;
}

}  // namespace muster::launcher
