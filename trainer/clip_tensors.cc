#include "trainer/clip_tensors.h"

#include <ATen/ATen.h>

#include "common/error.h"

namespace muster::trainer {

models::ModelInput model_input(const std::vector<float>& values, int64_t clips, int64_t frames,
                               const datastore::ClipFormat& format, at::ScalarType type) {
  const std::vector<int64_t> shape = {clips, frames, format.channels(), format.crop_height,
                                      format.crop_width};
  MUSTER_REQUIRE(clips * frames * format.channels() * format.crop_height * format.crop_width, ==,
                 static_cast<int64_t>(values.size()));
  const at::Tensor all =
      at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).to(type);
  models::ModelInput input;
  input.clips = all.narrow(2, 0, 3);
  if (format.flow) input.flow = all.narrow(2, 3, 2);
  return input;
}

at::Tensor joint_tensor(const std::vector<datastore::Joint>& joints, int64_t clips, int64_t frames,
                        at::ScalarType type) {
  static_assert(sizeof(datastore::Joint) == 3 * sizeof(float));
  at::Tensor all =
      at::empty({clips, frames, datastore::kJointCount, 3}, at::TensorOptions(at::kFloat));
  MUSTER_REQUIRE(all.numel(), ==, static_cast<int64_t>(joints.size() * 3));
  float* number = all.data_ptr<float>();
  for (const datastore::Joint& joint : joints) {
    *number++ = joint.x;
    *number++ = joint.y;
    *number++ = joint.confidence;
  }
  return all.to(type);
}

at::Tensor label_tensor(const datastore::LoadedBatch& batch) {
  at::Tensor labels =
      at::empty({batch.share.end - batch.share.begin}, at::TensorOptions(at::kLong));
  for (int64_t clip = batch.share.begin; clip < batch.share.end; ++clip) {
    labels.data_ptr<int64_t>()[clip - batch.share.begin] =
        batch.global[static_cast<size_t>(clip)].label;
  }
  return labels;
}

}  // namespace muster::trainer
