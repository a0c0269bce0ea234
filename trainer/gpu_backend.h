// What a build with CUDA adds to the trainer. gpu_backend_cuda.cc is linked where CUDA's compiler
// and a LibTorch with CUDA are, gpu_backend_absent.cc everywhere else.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "datastore/clip_loader.h"
#include "datastore/shard_format.h"
#include "trainer/batch_input.h"
#include "trainer/communicator.h"

namespace muster::trainer {

bool gpu_backend_is_built();

// `host`, and NCCL between the GPUs of its ranks; of one rank `host` alone. Collective.
std::unique_ptr<Communicator> with_gpu_communicator(std::unique_ptr<Communicator> host,
                                                    const at::Device& device);

// Of a loader without LoaderOptions::transform, which only this thread may have used. While a step
// runs, a thread copies the next one's bytes through pinned memory and transforms them in a stream
// of its own. Loader and format must outlive the result.
std::unique_ptr<BatchInput> create_gpu_input(datastore::ClipLoader& loader,
                                             const datastore::FrameGeometry& geometry,
                                             const datastore::ClipFormat& format,
                                             at::ScalarType type, const at::Device& device);

}  // namespace muster::trainer
