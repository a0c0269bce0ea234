#include "common/error.h"
#include "trainer/gpu_backend.h"

namespace muster::trainer {
namespace {

[[noreturn]] void refuse() {
  throw common::InputError("device CUDA", "this build of muster has no CUDA",
                           "train on the CPU, or build with MUSTER_CUDA and a LibTorch with CUDA");
}

}  // namespace

bool gpu_backend_is_built() { return false; }

std::unique_ptr<Communicator> with_gpu_communicator(std::unique_ptr<Communicator>,
                                                    const at::Device&) {
  refuse();
}

std::unique_ptr<BatchInput> create_gpu_input(datastore::ClipLoader&,
                                             const datastore::FrameGeometry&,
                                             const datastore::ClipFormat&, at::ScalarType,
                                             const at::Device&) {
  refuse();
}

}  // namespace muster::trainer
