// The same training on the processor, on a GPU and on several ranks with GPUs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "common/progress_sink.h"
#include "models/safetensors.h"
#include "tests/gpu/gpu_world.h"
#include "tests/trainer/tiny_store.h"
#include "trainer/training_loop.h"

namespace muster::trainer {
namespace {

class GpuTrainingTest : public testing::Test {
 protected:
  void SetUp() override {
    // One place for all ranks of this machine.
    int64_t process = ::getpid();
    gpu_world().broadcast(&process, 1, ElementType::kInt64, 0);
    directory_ = std::filesystem::temp_directory_path() / ("muster-gpu-" + std::to_string(process));
    if (gpu_world().rank() == 0) build_tiny_store(directory_ / "store");
    gpu_world().barrier();
  }
  void TearDown() override {
    gpu_world().barrier();
    if (gpu_world().rank() == 0) std::filesystem::remove_all(directory_);
  }

  // All weights in a row, float64.
  at::Tensor trained(const std::string& run, const proto::Experiment& experiment,
                     Communicator& ranks, const at::Device& device) {
    TrainingRequest request{experiment, "waves", directory_ / "store", directory_ / run};
    request.device = device;
    common::SilentProgress progress;
    train(request, ranks, progress);
    std::vector<at::Tensor> parts;
    for (const auto& [name, value] :
         models::read_safetensors(read_finished_run(directory_ / run).weights).tensors) {
      parts.push_back(value.flatten().to(at::kDouble));
    }
    return at::cat(parts);
  }
  static double difference(const at::Tensor& a, const at::Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
  }

  std::filesystem::path directory_;
};

TEST_F(GpuTrainingTest, AnyNumberOfGpusTrainsTheSame) {
  const auto alone = create_single_communicator();
  const std::string own = std::to_string(gpu_world().rank());
  const at::Tensor together =
      trained("together", tiny_experiment(), gpu_world(), gpu_of_this_rank());
  const at::Tensor by_one = trained("one-" + own, tiny_experiment(), *alone, gpu_of_this_rank());
  EXPECT_LE(difference(together, by_one), 1e-9);
  const at::Tensor by_processor =
      trained("cpu-" + own, tiny_experiment(), *alone, at::Device(at::kCPU));
  // The windows' values are float32 and differ in the order of sums.
  EXPECT_LE(difference(by_one, by_processor), 1e-6);
  if (gpu_world().rank() == 0) {
    std::printf(
        "weights after training: %d GPU ranks differ from one by %.1e, one from the "
        "processor by %.1e\n",
        gpu_world().size(), difference(together, by_one), difference(by_one, by_processor));
  }
}

}  // namespace
}  // namespace muster::trainer
