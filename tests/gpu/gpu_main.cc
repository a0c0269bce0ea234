// Runs every test on every rank: tools/gpu-check, or mpirun -n W program. Needs a GPU; several
// ranks on one GPU need the environment that tools/gpu-check sets.
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>

#include "tests/gpu/gpu_world.h"
#include "trainer/compute_device.h"
#include "trainer/gpu_backend.h"

namespace muster::trainer {
namespace {

std::unique_ptr<Communicator> all_ranks;
at::Device own_gpu(at::kCPU);

int run_all_tests() {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (gpu_world().rank() != 0) delete listeners.Release(listeners.default_result_printer());
  GTEST_FLAG_SET(catch_exceptions, false);
  int64_t failures = 0;
  try {
    failures = RUN_ALL_TESTS() == 0 ? 0 : 1;
    if (failures != 0) std::fprintf(stderr, "rank %d: tests failed\n", gpu_world().rank());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "rank %d: uncaught: %s\n", gpu_world().rank(), failure.what());
    gpu_world().abort(1);
  }
  gpu_world().all_reduce_sum(&failures, 1, ElementType::kInt64)->wait();
  return failures == 0 ? 0 : 1;
}

}  // namespace

Communicator& gpu_world() { return *all_ranks; }
at::Device gpu_of_this_rank() { return own_gpu; }

}  // namespace muster::trainer

int main(int argc, char** argv) {
  using namespace muster::trainer;
  testing::InitGoogleTest(&argc, argv);
  auto host = started_by_mpi_launcher() ? create_mpi_communicator() : create_single_communicator();
  try {
    own_gpu = agreed_device(muster::proto::CUDA, gpu_facts(), local_rank_from_environment(), *host);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 2;
  }
  all_ranks = with_gpu_communicator(std::move(host), own_gpu);
  const int status = run_all_tests();
  all_ranks.reset();
  return status;
}
