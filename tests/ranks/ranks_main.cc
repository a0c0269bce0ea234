// Runs every test on every rank: mpirun -n W program. Fails on all ranks if a test fails on any.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>

#include "tests/ranks/world.h"

namespace muster::trainer {
namespace {

std::unique_ptr<Communicator> all_ranks;

// What ranks other than 0 print: failures only, with their rank.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  void OnTestStart(const testing::TestInfo& test) override { test_ = &test; }
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s.%s: %s:%d: %s\n", world().rank(),
                 test_ != nullptr ? test_->test_suite_name() : "", test_ ? test_->name() : "",
                 result.file_name() != nullptr ? result.file_name() : "", result.line_number(),
                 result.message());
  }

 private:
  const testing::TestInfo* test_ = nullptr;
};

int run_all_tests() {
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world().rank() != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  // A rank that leaves a test early would leave the others waiting: an exception ends the whole
  // job.
  GTEST_FLAG_SET(catch_exceptions, false);
  int64_t failures = 0;
  try {
    failures = RUN_ALL_TESTS() == 0 ? 0 : 1;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "rank %d: uncaught: %s\n", world().rank(), failure.what());
    world().abort(1);
  }
  world().all_reduce_sum(&failures, 1, ElementType::kInt64)->wait();
  return failures == 0 ? 0 : 1;
}

}  // namespace

Communicator& world() { return *all_ranks; }

}  // namespace muster::trainer

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  at::set_num_threads(1);  // ranks share the machine's cores
  muster::trainer::all_ranks = muster::trainer::create_mpi_communicator();
  const int status = muster::trainer::run_all_tests();
  muster::trainer::all_ranks.reset();
  return status;
}
