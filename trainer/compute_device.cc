#include "trainer/compute_device.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <vector>

#include "common/error.h"
#include "trainer/gpu_backend.h"

namespace muster::trainer {
namespace {

using common::InputError;

const char kRemedy[] = "use --device cpu, or ";

}  // namespace

GpuFacts gpu_facts() {
  GpuFacts facts;
  facts.built = gpu_backend_is_built() && at::hasCUDA();
  if (facts.built) facts.visible = c10::impl::VirtualGuardImpl(at::kCUDA).deviceCount();
  return facts;
}

int local_rank_from_environment() {
  for (const char* name : {"SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK"}) {
    if (const char* value = std::getenv(name)) return std::atoi(value);
  }
  return 0;
}

at::Device chosen_device(proto::Device choice, const GpuFacts& facts, int local_rank) {
  if (choice == proto::CPU) return at::Device(at::kCPU);
  if (choice == proto::AUTO && (!facts.built || facts.visible == 0)) return at::Device(at::kCPU);
  const std::string object = "training.device";
  if (!facts.built) {
    throw InputError(object, "this build has no CUDA",
                     std::string(kRemedy) + "build with MUSTER_CUDA and a LibTorch with CUDA");
  }
  if (facts.visible == 0) {
    throw InputError(object, "no GPU is visible here",
                     std::string(kRemedy) + "look at nvidia-smi and CUDA_VISIBLE_DEVICES");
  }
  if (facts.visible == 1) return at::Device(at::kCUDA, 0);
  if (local_rank >= facts.visible) {
    throw InputError(object,
                     "local rank " + std::to_string(local_rank) +
                         " has no GPU: " + std::to_string(facts.visible) + " are visible",
                     std::string(kRemedy) + "start as many ranks a machine as it has GPUs");
  }
  return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(local_rank));
}

at::Device agreed_device(proto::Device choice, const GpuFacts& facts, int local_rank,
                         Communicator& communicator) {
  constexpr size_t kColumns = 3;
  const auto size = static_cast<size_t>(communicator.size());
  std::vector<int64_t> all(size * kColumns, 0);
  int64_t* own = all.data() + static_cast<size_t>(communicator.rank()) * kColumns;
  own[0] = facts.built ? 1 : 0;
  own[1] = facts.visible;
  own[2] = local_rank;
  communicator.all_reduce_sum(all.data(), static_cast<int64_t>(all.size()), ElementType::kInt64)
      ->wait();
  size_t gpus = 0;
  for (size_t rank = 0; rank < size; ++rank) {
    const int64_t* row = all.data() + rank * kColumns;
    const GpuFacts there{row[0] == 1, static_cast<int>(row[1])};
    gpus += chosen_device(choice, there, static_cast<int>(row[2])).is_cuda() ? 1 : 0;
  }
  if (gpus != 0 && gpus != size) {
    throw InputError(
        "training.device",
        "only " + std::to_string(gpus) + " of " + std::to_string(size) + " ranks have a GPU",
        std::string(kRemedy) + "start ranks on machines with GPUs only");
  }
  return chosen_device(choice, facts, local_rank);
}

}  // namespace muster::trainer
