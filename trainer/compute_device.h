// Where a rank computes.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "proto/experiment.pb.h"
#include "trainer/communicator.h"

namespace muster::trainer {

// What the build and the machine have.
struct GpuFacts {
  bool built = false;  // muster's CUDA sources and a LibTorch with CUDA
  int visible = 0;     // GPUs that this process sees
};
GpuFacts gpu_facts();

// Of the ranks of one machine, 0, 1, ...: SLURM_LOCALID or OMPI_COMM_WORLD_LOCAL_RANK; 0 without a
// launcher.
int local_rank_from_environment();

// AUTO: a GPU where there is one. Device 0 where one is visible (schedulers that give each task its
// own), else the one of the local rank. Throws InputError where CUDA is asked for and build or
// machine has none, or fewer GPUs than ranks.
at::Device chosen_device(proto::Device choice, const GpuFacts& facts, int local_rank);

// chosen_device() of this rank. Collective: where one rank's throws, all throw the same, and so do
// they where some would compute on GPUs and some not.
at::Device agreed_device(proto::Device choice, const GpuFacts& facts, int local_rank,
                         Communicator& communicator);

}  // namespace muster::trainer
