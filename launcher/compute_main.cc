// muster-compute: the commands that need torch. Started by muster, or directly under mpirun.
#include "common/process_memory.h"
#include "launcher/command.h"

int main(int count, char** values) {
  using namespace muster::launcher;
  muster::common::keep_freed_memory();
  const std::vector<Command> commands = {
      {"train", "train a network; alone, under mpirun or srun", &run_train},
      {"extract", "signatures of a store's tracklets", &run_extract},
      {"annotate", "body joints of a store's frames, found by a pose network", &run_annotate},
      {"score", "CMC and mAP from signatures", &run_score},
      {"models", "the networks: list, describe, forward", &run_models},
      {"exchange", "time messages between ranks, for muster doctor", &run_exchange},
  };
  return run_program("muster", commands, std::vector<std::string>(values + 1, values + count));
}
