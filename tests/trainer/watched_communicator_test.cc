#include "trainer/watched_communicator.h"

#include <gtest/gtest.h>

#include "common/error.h"
#include "tests/fakes/in_process_communicator.h"
#include "tests/trainer/communicator_contract.h"

namespace muster::trainer {
namespace {

class WatchedCommunicatorContractTest
    : public testing::TestWithParam<std::tuple<int, CommunicatorCheck>> {};

TEST_P(WatchedCommunicatorContractTest, Holds) {
  const auto& [size, check] = GetParam();
  run_ranks(size, [&run = check.run](Communicator& communicator) {
    OperationBoard board;
    run(*create_watched_communicator(communicator, board));
  });
}

INSTANTIATE_TEST_SUITE_P(Checks, WatchedCommunicatorContractTest,
                         testing::Combine(testing::Values(1, 3),
                                          testing::ValuesIn(communicator_checks())),
                         [](const auto& test) {
                           return std::get<1>(test.param).name + "On" +
                                  std::to_string(std::get<0>(test.param));
                         });

// Looks at the board in the middle of every operation.
class LookingCommunicator : public Communicator {
 public:
  explicit LookingCommunicator(const OperationBoard& board) : board_(board) {}
  std::vector<ChannelPlace> seen;
  bool fail = false;
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<PendingOperation> all_reduce_sum(void*, int64_t, ElementType) override {
    look();
    return std::make_unique<Pending>(*this);
  }
  void all_gather(const void*, void*, const std::vector<int64_t>&, ElementType) override { look(); }
  void reduce_scatter_sum(const void*, void*, const std::vector<int64_t>&, ElementType) override {
    look();
  }
  void broadcast(void*, int64_t, ElementType, int) override { look(); }
  void barrier() override { look(); }
  std::unique_ptr<Communicator> duplicate() override {
    look();
    return std::make_unique<LookingCommunicator>(board_);
  }
  [[noreturn]] void abort(int exit_code) override { throw AbortRequested(exit_code); }

 private:
  struct Pending : PendingOperation {
    explicit Pending(LookingCommunicator& looking) : of(looking) {}
    void wait() override { of.look(); }
    LookingCommunicator& of;
  };
  void look() {
    seen.push_back(board_.read().channels[0]);
    if (fail) throw common::SystemError("rank 0", "has no network");
  }
  const OperationBoard& board_;
};

TEST(WatchedCommunicatorTest, EveryOperationIsOnTheBoardWhileItLasts) {
  OperationBoard board;
  LookingCommunicator looking(board);
  const auto watched = create_watched_communicator(looking, board);
  watched->all_gather(nullptr, nullptr, {0}, ElementType::kByte);
  watched->reduce_scatter_sum(nullptr, nullptr, {0}, ElementType::kByte);
  watched->broadcast(nullptr, 0, ElementType::kByte, 0);
  watched->barrier();
  watched->duplicate();
  const std::vector<Operation> operations = {Operation::kAllGather, Operation::kReduceScatter,
                                             Operation::kBroadcast, Operation::kBarrier,
                                             Operation::kDuplicate};
  ASSERT_EQ(looking.seen.size(), operations.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    EXPECT_EQ(looking.seen[i].awaited_operation, operations[i]);
    EXPECT_EQ(looking.seen[i].last, operations[i]);
    EXPECT_EQ(looking.seen[i].awaited, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(looking.seen[i].started, static_cast<int64_t>(i) + 1);
  }
  EXPECT_EQ(board.read().channels[0].awaited, 0);
  EXPECT_EQ(board.read().channels[0].started, 5);
}

TEST(WatchedCommunicatorTest, AReductionIsWaitedForFromWaitOnly) {
  OperationBoard board;
  LookingCommunicator looking(board);
  const auto watched = create_watched_communicator(looking, board);
  const auto first = watched->all_reduce_sum(nullptr, 0, ElementType::kFloat32);
  const auto second = watched->all_reduce_sum(nullptr, 0, ElementType::kFloat32);
  EXPECT_EQ(board.read().channels[0].started, 2);
  EXPECT_EQ(board.read().channels[0].awaited, 0);
  second->wait();
  first->wait();
  ASSERT_EQ(looking.seen.size(), 4u);
  EXPECT_EQ(looking.seen[2].awaited, 2);
  EXPECT_EQ(looking.seen[3].awaited, 1);
  EXPECT_EQ(board.read().channels[0].awaited, 0);
}

TEST(WatchedCommunicatorTest, ADuplicateHasAChannelAndANumberOfItsOwn) {
  OperationBoard board;
  LookingCommunicator looking(board);
  const auto watched = create_watched_communicator(looking, board);
  {
    const auto duplicate = watched->duplicate();
    duplicate->barrier();
    duplicate->barrier();
    EXPECT_EQ(board.read().recent, 1);
  }
  // The next one goes on counting, so that ranks agree whenever each lets go of the first.
  watched->duplicate()->barrier();
  EXPECT_EQ(board.read().channels[1].started, 3);
  EXPECT_EQ(board.read().channels[0].started, 2);
  EXPECT_EQ(board.read().channels[2].started, 0);
}

TEST(WatchedCommunicatorTest, TooManyDuplicatesWorkUnwatched) {
  run_ranks(2, [](Communicator& communicator) {
    OperationBoard board;
    const auto watched = create_watched_communicator(communicator, board);
    std::vector<std::unique_ptr<Communicator>> duplicates;
    for (int i = 0; i < 6; ++i) duplicates.push_back(watched->duplicate());
    check_all_reduce_float64(*duplicates.back());
    EXPECT_EQ(board.read().recent, 0);
  });
}

TEST(WatchedCommunicatorTest, AFailedOperationStaysOnTheBoard) {
  OperationBoard board;
  LookingCommunicator looking(board);
  looking.fail = true;
  EXPECT_THROW(create_watched_communicator(looking, board)->barrier(), common::SystemError);
  EXPECT_EQ(board.read().channels[0].awaited, 1);
}

}  // namespace
}  // namespace muster::trainer
