#include "trainer/watch_judgement.h"

#include <gtest/gtest.h>

namespace muster::trainer {
namespace {

constexpr double kNow = 1000, kLimit = 60;

// A rank that was heard a moment ago and has not moved since `still_since`.
RankSight sight_since(double still_since, const Whereabouts& place) {
  RankSight sight;
  sight.host = "a12";
  sight.pid = 4711;
  sight.listens = sight.heard = true;
  sight.heard_at = kNow - 1;
  sight.still_since = still_since;
  sight.last.place = place;
  return sight;
}

Whereabouts place_of(Operation operation, int64_t started, int64_t awaited, int64_t step = 11) {
  Whereabouts place;
  place.step = step;
  place.channels[0].started = started;
  place.channels[0].last = operation;
  place.channels[0].awaited = awaited;
  if (awaited > 0) place.channels[0].awaited_operation = operation;
  return place;
}

Whereabouts waiting(int64_t sequence) {
  return place_of(Operation::kAllGather, sequence, sequence);
}
Whereabouts computing_after(int64_t sequence) {
  return place_of(Operation::kAllReduce, sequence, 0);
}

TEST(WatchJudgementTest, RanksThatMoveAreInnocent) {
  EXPECT_FALSE(judge({sight_since(kNow - 1, waiting(5)), sight_since(kNow - 3, computing_after(4))},
                     kNow, kLimit));
}

TEST(WatchJudgementTest, ALongComputationOfAllIsNoFault) {
  EXPECT_FALSE(judge({sight_since(0, computing_after(5)), sight_since(0, computing_after(5))}, kNow,
                     kLimit));
}

TEST(WatchJudgementTest, ASilentRankIsNamedWithEverybodysPlace) {
  std::vector<RankSight> ranks = {sight_since(900, waiting(432)), sight_since(900, waiting(432)),
                                  sight_since(900, waiting(431)), sight_since(900, waiting(432))};
  ranks[2].heard_at = kNow - 60.7;
  const auto verdict = judge(ranks, kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, FaultKind::kSilent);
  EXPECT_EQ(verdict->rank, 2);
  EXPECT_EQ(verdict->line,
            "muster: rank 2 on host a12 has not been heard for 60 s: last seen waiting in "
            "all_gather 431 (after step 11); ranks 0, 1, 3: waiting in all_gather 432 (after step "
            "11)");
}

TEST(WatchJudgementTest, TheLimitIsTheLimit) {
  std::vector<RankSight> ranks = {sight_since(kNow, waiting(1)), sight_since(kNow, waiting(1))};
  ranks[1].heard_at = kNow - 59.9;
  EXPECT_FALSE(judge(ranks, kNow, kLimit));
  ranks[1].heard_at = kNow - 60;
  EXPECT_TRUE(judge(ranks, kNow, kLimit));
}

TEST(WatchJudgementTest, OfSeveralSilentRanksTheOneThatFellSilentFirstIsNamed) {
  std::vector<RankSight> ranks = {sight_since(kNow, waiting(1)), sight_since(kNow, waiting(1)),
                                  sight_since(kNow, waiting(1))};
  ranks[1].heard_at = 100;
  ranks[2].heard_at = 99;
  EXPECT_EQ(judge(ranks, kNow, kLimit)->rank, 2);
}

TEST(WatchJudgementTest, ARankThatComputesWhileOthersWaitIsStuck) {
  const auto verdict =
      judge({sight_since(900, waiting(432)), sight_since(890, computing_after(431)),
             sight_since(900, waiting(432))},
            kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, FaultKind::kStuck);
  EXPECT_EQ(verdict->rank, 1);
  EXPECT_EQ(verdict->line,
            "muster: rank 1 on host a12 has not moved for 110 s: last seen computing after "
            "all_reduce 431 (after step 11); ranks 0, 2: waiting in all_gather 432 (after step "
            "11)");
}

// Rank 0 joins what the others extracted, or ranks: for as long as that takes.
TEST(WatchJudgementTest, OfUnequalWorkARankThatComputesWhileOthersWaitIsInnocent) {
  const auto judged = [](std::vector<RankSight> ranks) {
    return judge(ranks, kNow, kLimit, WorkShare::kUnequal);
  };
  const RankSight waits = sight_since(100, waiting(2)), works = sight_since(90, computing_after(1));
  EXPECT_FALSE(judged({works, waits, waits}));
  RankSight silent = works;
  silent.heard_at = kNow - kLimit;
  ASSERT_TRUE(judged({silent, waits, waits}));
  EXPECT_EQ(judged({silent, waits, waits})->kind, FaultKind::kSilent);
  ASSERT_TRUE(judged({waits, waits}));
  EXPECT_EQ(judged({waits, waits})->kind, FaultKind::kTangled);
  RankSight gone = waits;
  gone.last.state = RankState::kGone;
  EXPECT_FALSE(judged({works, gone, gone}));
}

TEST(WatchJudgementTest, OthersMustHaveWaitedForTheWholeLimit) {
  EXPECT_FALSE(judge({sight_since(kNow - 59, waiting(432)), sight_since(0, computing_after(431))},
                     kNow, kLimit));
}

// Rank 1 waits in the broadcast that the root has long left.
TEST(WatchJudgementTest, ARankLeftBehindInAnEarlierOperationIsStuck) {
  const auto verdict = judge({sight_since(900, waiting(432)), sight_since(900, waiting(430)),
                              sight_since(900, waiting(432))},
                             kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, FaultKind::kStuck);
  EXPECT_EQ(verdict->rank, 1);
}

// Rank 0 waits for rank 1, which waits for rank 2 on the duplicate.
TEST(WatchJudgementTest, WhoWaitsItselfIsExcusedByWhomItWaitsFor) {
  Whereabouts middle = computing_after(431);
  middle.channels[1].started = middle.channels[1].awaited = 88;
  middle.channels[1].awaited_operation = Operation::kAllReduce;
  Whereabouts first = waiting(432), last = computing_after(431);
  first.channels[1].started = 88;
  last.channels[1].started = 87;
  last.channels[1].last = Operation::kAllReduce;
  last.recent = 1;
  const auto verdict = judge(
      {sight_since(900, first), sight_since(900, middle), sight_since(900, last)}, kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->rank, 2);
  EXPECT_EQ(verdict->line,
            "muster: rank 2 on host a12 has not moved for 100 s: last seen computing after "
            "all_reduce 87 of duplicate 1 (after step 11); rank 0: waiting in all_gather 432 "
            "(after step 11); rank 1: waiting in all_reduce 88 of duplicate 1 (after step 11)");
}

// Started and not waited for: the progress thread carries it on.
TEST(WatchJudgementTest, AStartedReductionHoldsNobodyUp) {
  EXPECT_FALSE(judge({sight_since(0, place_of(Operation::kAllReduce, 7, 7)),
                      sight_since(0, place_of(Operation::kAllReduce, 7, 0))},
                     kNow, kLimit));
}

TEST(WatchJudgementTest, RanksInOneOperationThatNeverEndsAreTangled) {
  const auto verdict =
      judge({sight_since(900, waiting(5)), sight_since(910, waiting(5))}, kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, FaultKind::kTangled);
  EXPECT_EQ(verdict->line,
            "muster: all ranks wait for each other since 90 s: ranks 0, 1: waiting in all_gather 5 "
            "(after step 11)");
}

TEST(WatchJudgementTest, ARankThatEndedWellIsNeverAtFault) {
  std::vector<RankSight> ranks = {sight_since(0, computing_after(9)),
                                  sight_since(0, computing_after(9))};
  ranks[1].heard_at = 0;
  ranks[1].last.state = RankState::kGone;
  EXPECT_FALSE(judge(ranks, kNow, kLimit));
}

TEST(WatchJudgementTest, WhoIsNotHeardFromHereIsNotJudgedFromHere) {
  std::vector<RankSight> ranks = {sight_since(900, waiting(5)), RankSight(),
                                  sight_since(900, waiting(5))};
  EXPECT_FALSE(judge(ranks, kNow, kLimit));
}

TEST(WatchJudgementTest, ARankThatWasNeverHeardSaysSo) {
  std::vector<RankSight> ranks = {sight_since(kNow, Whereabouts()), RankSight()};
  ranks[1].listens = true;
  ranks[1].host = "b1";
  EXPECT_EQ(judge(ranks, kNow, kLimit)->line,
            "muster: rank 1 on host b1 has not been heard for 1000 s: never heard; rank "
            "0: computing (before a step)");
}

TEST(WatchJudgementTest, TheDeadAreNamedWithTheirProcess) {
  const Verdict verdict =
      verdict_of_death({sight_since(0, waiting(88)), sight_since(0, computing_after(88))}, 1);
  EXPECT_EQ(verdict.kind, FaultKind::kDied);
  EXPECT_EQ(verdict.line,
            "muster: rank 1 on host a12 (pid 4711) died: last seen computing after all_reduce 88 "
            "(after step 11); rank 0: waiting in all_gather 88 (after step 11)");
}

TEST(WatchJudgementTest, AThousandRanksMakeAShortLine) {
  std::vector<RankSight> ranks(1024, sight_since(900, waiting(7)));
  ranks[500] = sight_since(900, computing_after(6));
  const auto verdict = judge(ranks, kNow, kLimit);
  ASSERT_TRUE(verdict);
  EXPECT_NE(verdict->line.find("ranks 0-499, 501-1023: waiting in all_gather 7"), std::string::npos)
      << verdict->line;
}

}  // namespace
}  // namespace muster::trainer
