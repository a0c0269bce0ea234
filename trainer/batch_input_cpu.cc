#include <ATen/ATen.h>

#include <optional>

#include "trainer/batch_input.h"
#include "trainer/clip_tensors.h"

namespace muster::trainer {
namespace {

// The loader's threads have transformed the clips; the tensors are views of their values.
class CpuInput : public BatchInput {
 public:
  CpuInput(datastore::ClipLoader& loader, const datastore::ClipFormat& format, at::ScalarType type)
      : loader_(loader), format_(format), type_(type) {}

  InputBatch next() override {
    if (held_) loader_.recycle(std::move(*held_));
    held_ = loader_.next();
    InputBatch result;
    result.facts = facts_of(*held_);
    result.waited_seconds = held_->waited_seconds;
    const int64_t clips = held_->share.end - held_->share.begin;
    result.input = model_input(held_->values, clips, held_->frames, format_, type_);
    if (format_.joints) {
      result.input.joints = joint_tensor(held_->joints_in_window, clips, held_->frames, type_);
    }
    result.labels = label_tensor(*held_);
    return result;
  }

 private:
  datastore::ClipLoader& loader_;
  const datastore::ClipFormat& format_;
  const at::ScalarType type_;
  std::optional<datastore::LoadedBatch> held_;
};

}  // namespace

datastore::LoadedBatch facts_of(const datastore::LoadedBatch& batch) {
  datastore::LoadedBatch facts;
  facts.step = batch.step;
  facts.global = batch.global;
  facts.share = batch.share;
  facts.frames = batch.frames;
  return facts;
}

std::unique_ptr<BatchInput> create_cpu_input(datastore::ClipLoader& loader,
                                             const datastore::ClipFormat& format,
                                             at::ScalarType type) {
  return std::make_unique<CpuInput>(loader, format, type);
}

}  // namespace muster::trainer
