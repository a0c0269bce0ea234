// Written against LibTorch's streams of any device, so that it compiles without CUDA's headers.
#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>

#include <chrono>
#include <exception>
#include <map>
#include <thread>

#include "common/bounded_queue.h"
#include "common/error.h"
#include "trainer/clip_transform_cuda.h"
#include "trainer/communicator_nccl.h"
#include "trainer/communicator_pair.h"
#include "trainer/cuda_stream.h"
#include "trainer/gpu_backend.h"
#include "trainer/packed_batch.h"

namespace muster::trainer {
namespace {

// A batch on its way: its work is queued on the copying stream up to `ready`.
struct StagedBatch {
  InputBatch batch;
  std::shared_ptr<c10::Event> ready;
  std::exception_ptr failure;
};

at::TensorOptions bytes_on(const at::Device& device) {
  return at::TensorOptions(at::kByte).device(device);
}

class GpuInput : public BatchInput {
 public:
  GpuInput(datastore::ClipLoader& loader, const datastore::FrameGeometry& geometry,
           const datastore::ClipFormat& format, at::ScalarType type, const at::Device& device)
      : loader_(loader),
        geometry_(geometry),
        format_(format),
        type_(type),
        device_(device),
        streams_(device.type()),
        copying_(streams_.getStreamFromGlobalPool(device)),
        thread_([this] { stage_all(); }) {}

  ~GpuInput() override {
    staged_.close();
    thread_.join();
  }

  InputBatch next() override {
    const auto began = std::chrono::steady_clock::now();
    auto staged = staged_.pop();
    MUSTER_REQUIRE(staged.has_value(), ==, true);
    if (staged->failure) std::rethrow_exception(staged->failure);
    staged->batch.waited_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const c10::Stream computing = streams_.getStream(device_);
    staged->ready->block(computing);
    // Made on one stream, used on another: their memory is free when both are done with it.
    models::ModelInput& input = staged->batch.input;
    for (const at::Tensor& tensor : {input.clips, input.joints, staged->batch.labels}) {
      if (tensor.defined()) at::Tensor(tensor).record_stream(computing);
    }
    return std::move(staged->batch);
  }

 private:
  // One batch waits in the queue while the next one is made: two on the device beside the step's.
  void stage_all() {
    streams_.setDevice(device_);
    const c10::StreamGuard queue_on(copying_);
    for (bool open = true; open;) {
      StagedBatch staged;
      try {
        staged = stage(loader_.next());
      } catch (...) {
        staged.failure = std::current_exception();
      }
      const bool last = staged.failure != nullptr;
      open = staged_.push(std::move(staged)) && !last;
    }
  }

  // Everything on the copying stream; the bytes' memory comes back when it is done with them.
  StagedBatch stage(datastore::LoadedBatch loaded) {
    const int64_t clips = loaded.share.end - loaded.share.begin;
    const Plan& plan = plan_for(loaded.frames);
    const ClipDecisions decisions = clip_decisions(loaded, plan.format);
    const PackedLayout layout = packed_layout(loaded, decisions);
    const auto size = static_cast<int64_t>(layout.bytes);
    const at::Tensor pinned = at::empty({size}, at::TensorOptions(at::kByte).pinned_memory(true));
    pack_batch(loaded, format_, decisions, layout, pinned.data_ptr<uint8_t>());
    at::Tensor bytes = at::empty({size}, bytes_on(device_));
    bytes.copy_(pinned, /*non_blocking=*/true);
    const at::Tensor values = at::empty(
        {clips, loaded.frames, format_.channels(), format_.crop_height, format_.crop_width},
        bytes_on(device_).dtype(at::kFloat));
    transform_clips(plan.format,
                    batch_at(bytes.data_ptr<uint8_t>(), layout, clips, values.data_ptr<float>()),
                    cuda_stream(copying_));
    StagedBatch staged;
    fill_input(values, bytes, layout, loaded, staged.batch);
    staged.ready = std::make_shared<c10::Event>(device_.type());
    staged.ready->record(copying_);
    loader_.recycle(std::move(loaded));
    return staged;
  }

  void fill_input(const at::Tensor& values, const at::Tensor& bytes, const PackedLayout& layout,
                  const datastore::LoadedBatch& loaded, InputBatch& batch) const {
    const int64_t clips = values.size(0);
    const at::Tensor all = values.to(type_);
    batch.facts = facts_of(loaded);
    batch.input.clips = all.narrow(2, 0, 3);
    if (format_.flow) batch.input.flow = all.narrow(2, 3, 2);
    const auto part = [&](size_t begin, int64_t count, at::ScalarType type) {
      const auto length = count * static_cast<int64_t>(c10::elementSize(type));
      return bytes.narrow(0, static_cast<int64_t>(begin), length).clone().view(type);
    };
    batch.labels = part(layout.labels, clips, at::kLong);
    if (!format_.joints) return;
    const int64_t numbers = clips * loaded.frames * datastore::kJointCount * 3;
    batch.input.joints = part(layout.joints, numbers, at::kFloat)
                             .view({clips, loaded.frames, datastore::kJointCount, 3})
                             .to(type_);
  }

  struct Plan {
    at::Tensor tables;  // on the device
    ClipKernelFormat format;
  };
  // Clips of one training have one length but for whole tracklets.
  const Plan& plan_for(int frames) {
    const auto [entry, is_new] = plans_.try_emplace(frames);
    if (is_new) {
      const ClipKernelPlan made = clip_kernel_plan(geometry_, frames, format_);
      std::vector<uint8_t> packed = packed_tables(made);
      entry->second.tables =
          at::from_blob(packed.data(), {static_cast<int64_t>(packed.size())}, at::kByte)
              .to(device_);
      entry->second.format = format_with_tables(made, entry->second.tables.data_ptr<uint8_t>());
    }
    return entry->second;
  }

  datastore::ClipLoader& loader_;
  const datastore::FrameGeometry geometry_;
  const datastore::ClipFormat& format_;
  const at::ScalarType type_;
  const at::Device device_;
  const c10::impl::VirtualGuardImpl streams_;
  const c10::Stream copying_;
  std::map<int, Plan> plans_;
  common::BoundedQueue<StagedBatch> staged_{1};
  std::thread thread_;  // starts last
};

}  // namespace

bool gpu_backend_is_built() { return true; }

std::unique_ptr<Communicator> with_gpu_communicator(std::unique_ptr<Communicator> host,
                                                    const at::Device& device) {
  if (host->size() == 1) return host;
  Communicator& bootstrap = *host;
  auto gpu = create_nccl_communicator(bootstrap, device.index(), current_cuda_stream);
  return create_communicator_pair(std::move(host), std::move(gpu));
}

std::unique_ptr<BatchInput> create_gpu_input(datastore::ClipLoader& loader,
                                             const datastore::FrameGeometry& geometry,
                                             const datastore::ClipFormat& format,
                                             at::ScalarType type, const at::Device& device) {
  return std::make_unique<GpuInput>(loader, geometry, format, type, device);
}

}  // namespace muster::trainer
