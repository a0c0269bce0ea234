// Times messages between ranks: muster doctor starts it under mpirun.
#include <ATen/Config.h>
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "launcher/command.h"
#include "trainer/communicator.h"
#include "trainer/compute_device.h"

namespace muster::launcher {

int run_exchange(const std::vector<std::string>&) {
  constexpr int64_t kElements = 16 << 20;  // 64 MiB
  const auto communicator = trainer::started_by_mpi_launcher()
                                ? trainer::create_mpi_communicator()
                                : trainer::create_single_communicator();
  std::vector<float> buffer(kElements, 1.0f);
  const auto reduce = [&] {
    communicator->all_reduce_sum(buffer.data(), kElements, trainer::ElementType::kFloat32)->wait();
  };
  reduce();
  communicator->barrier();
  const auto start = std::chrono::steady_clock::now();
  reduce();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto ranks = static_cast<float>(communicator->size());
  const bool right = buffer.front() == ranks * ranks && buffer.back() == ranks * ranks;
  if (communicator->rank() == 0) {
    std::cout << nlohmann::json{{"ranks", communicator->size()},
                                {"gigabytes_per_second", kElements * 4 / seconds / 1e9},
                                {"right", right},
                                {"torch", TORCH_VERSION},
                                {"blas_openblas",
                                 at::show_config().find("open") != std::string::npos},
                                {"cuda", at::hasCUDA()},
                                {"gpu_training", trainer::gpu_facts().built},
                                {"gpus", trainer::gpu_facts().visible}}
              << std::endl;
  }
  return right ? 0 : 1;
}

}  // namespace muster::launcher
