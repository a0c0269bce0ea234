// muster: everything but tensors. Commands that compute replace this process by muster-compute.
#include "launcher/command.h"
#include "launcher/compute_program.h"

int main(int count, char** values) {
  using namespace muster::launcher;
  const std::vector<Command> commands = {
#ifdef MUSTER_INGEST
      {"synth", "render a small synthetic dataset", &run_synth},
      {"ingest", "turn a dataset or a video into a store", &run_ingest},
#endif
      {"store", "describe, verify or export a store", &run_store},
      {"train", "train a network; alone, under mpirun or srun",
       [](const auto& arguments) { return become_compute_program("train", arguments); }},
      {"extract", "signatures of a store's tracklets",
       [](const auto& arguments) { return become_compute_program("extract", arguments); }},
      {"annotate", "body joints of a store's frames, found by a pose network",
       [](const auto& arguments) { return become_compute_program("annotate", arguments); }},
      {"score", "CMC and mAP from signatures",
       [](const auto& arguments) { return become_compute_program("score", arguments); }},
      {"models", "the networks: list, describe, forward",
       [](const auto& arguments) { return become_compute_program("models", arguments); }},
      {"report", "measured tables and curves as HTML, Markdown and CSV", &run_report},
      {"monitor", "a Prometheus that watches a workspace", &run_monitor},
      {"doctor", "what works on this machine, and remedies", &run_doctor},
  };
  return run_program("muster", commands, std::vector<std::string>(values + 1, values + count));
}
