// muster-all-reduce: our all-reduce beside bare MPI calls, in the same processes. Started by
// muster-speed under mpirun; rank 0 prints the rows as JSON.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <vector>

#include "benchmarks/guarded_main.h"
#include "benchmarks/print_table.h"
#include "trainer/communicator.h"

namespace muster::benchmarks {
namespace {

using trainer::Communicator;
using trainer::ElementType;
using Clock = std::chrono::steady_clock;

constexpr int kRounds = 15;

struct Size {
  const char* name;
  int64_t bytes;
  int calls;  // of one round
};

// Seconds of one call, by the slowest rank.
double seconds_of(Communicator& communicator, int calls, const std::function<void()>& call) {
  communicator.barrier();
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < calls; ++i) call();
  const double own = std::chrono::duration<double>(Clock::now() - begin).count() / calls;
  double slowest = 0;
  MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return slowest;
}

struct Pair {
  double ours = 0, bare = 0;  // seconds
};

// Both in turn, so that what else the machine does falls on both; the round with the median ratio.
Pair median_round(Communicator& communicator, int calls, const std::function<void()>& ours,
                  const std::function<void()>& bare) {
  std::vector<Pair> rounds;
  for (int round = -1; round < kRounds; ++round) {
    Pair pair;
    pair.ours = seconds_of(communicator, calls, ours);
    pair.bare = seconds_of(communicator, calls, bare);
    if (round >= 0) rounds.push_back(pair);
  }
  std::sort(rounds.begin(), rounds.end(), [](const Pair& left, const Pair& right) {
    return left.ours * right.bare < right.ours * left.bare;
  });
  return rounds[rounds.size() / 2];
}

// nccl-tests' bus bandwidth: 2 (W - 1) / W of the bytes pass each rank's link.
TableRow bandwidth_row(Communicator& communicator, const Size& size) {
  std::vector<float> values(static_cast<size_t>(size.bytes / 4), 0.0f);
  const auto count = static_cast<int64_t>(values.size());
  const Pair pair = median_round(
      communicator, size.calls,
      [&] { communicator.all_reduce_sum(values.data(), count, ElementType::kFloat32)->wait(); },
      [&] {
        MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
      });
  const double ranks = communicator.size();
  const double gigabytes = static_cast<double>(size.bytes) * 2 * (ranks - 1) / ranks / 1e9;
  TableRow row;
  row.path = std::string("all-reduce, ") + size.name;
  row.limit = "MPI_Allreduce";
  row.measured = gigabytes / pair.ours;
  row.bound = gigabytes / pair.bare;
  row.ratio = row.measured / row.bound;
  row.target = 0.9;
  row.unit = "GB/s";
  row.note = "bus bandwidth, " + std::to_string(communicator.size()) + " ranks";
  return row;
}

// What synchronised batch norm waits for.
TableRow latency_row(Communicator& communicator) {
  double value = 0;
  const Pair pair = median_round(
      communicator, 2000,
      [&] { communicator.all_reduce_sum(&value, 1, ElementType::kFloat64)->wait(); },
      [&] {
        MPI_Request request = MPI_REQUEST_NULL;
        MPI_Iallreduce(MPI_IN_PLACE, &value, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD, &request);
        MPI_Wait(&request, MPI_STATUS_IGNORE);
      });
  TableRow row;
  row.path = "all-reduce, 8 bytes";
  row.limit = "MPI_Iallreduce, MPI_Wait";
  row.measured = pair.ours * 1e6;
  row.bound = pair.bare * 1e6;
  row.ratio = row.measured / row.bound;
  row.target = 2;
  row.at_most = true;
  row.unit = "us";
  return row;
}

int run(const std::vector<std::string>&) {
  const auto communicator = trainer::create_mpi_communicator();
  std::vector<TableRow> rows;
  for (const Size& size :
       {Size{"64 MB", 64 << 20, 2}, Size{"4 MB", 4 << 20, 20}, Size{"256 kB", 256 << 10, 200}}) {
    rows.push_back(bandwidth_row(*communicator, size));
  }
  rows.push_back(latency_row(*communicator));
  if (communicator->rank() == 0) print_json(rows, std::cout);
  return 0;
}

}  // namespace
}  // namespace muster::benchmarks

int main(int count, char** values) {
  return muster::benchmarks::guarded_main("muster-all-reduce", count, values,
                                          &muster::benchmarks::run);
}
