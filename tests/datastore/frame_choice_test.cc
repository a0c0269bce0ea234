#include "datastore/frame_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "common/error.h"

namespace muster::datastore {
namespace {

using Frames = std::vector<int32_t>;
using common::KeyedRandom;

constexpr ShortTracklet kRules[] = {ShortTracklet::kStartOver, ShortTracklet::kRepeatLast,
                                    ShortTracklet::kRandomRepeats, ShortTracklet::kShorterClip,
                                    ShortTracklet::kLeaveOut};

Frames chosen(FrameChoice choice, int length, int frames, uint64_t key = 1,
              ShortTracklet rule = ShortTracklet::kStartOver) {
  KeyedRandom random(key);
  return choose_frames(choice, rule, length, frames, random);
}

// Every result that many keys give.
std::set<Frames> all_chosen(FrameChoice choice, int length, int frames,
                            ShortTracklet rule = ShortTracklet::kStartOver) {
  std::set<Frames> results;
  for (uint64_t key = 0; key < 3000; ++key)
    results.insert(chosen(choice, length, frames, key, rule));
  return results;
}

// Every increasing choice of `frames` numbers below `length`, by counting through all bit patterns.
std::set<Frames> combinations(int length, int frames) {
  std::set<Frames> results;
  for (int pattern = 0; pattern < 1 << length; ++pattern) {
    Frames numbers;
    for (int i = 0; i < length; ++i) {
      if ((pattern >> i & 1) != 0) numbers.push_back(i);
    }
    if (static_cast<int>(numbers.size()) == frames) results.insert(numbers);
  }
  return results;
}

TEST(FrameChoiceTest, ConsecutiveFramesComeFromEveryPossibleStartAndNoOther) {
  for (int length = 1; length <= 7; ++length) {
    for (int frames = 1; frames <= length; ++frames) {
      std::set<Frames> expected;
      for (int start = 0; start + frames <= length; ++start) {
        Frames window;
        for (int i = 0; i < frames; ++i) window.push_back(start + i);
        expected.insert(window);
      }
      EXPECT_EQ(all_chosen(FrameChoice::kConsecutive, length, frames), expected)
          << length << " " << frames;
    }
  }
}

TEST(FrameChoiceTest, RandomFramesAreEverySubsetInOrderAndNothingElse) {
  for (int length = 1; length <= 6; ++length) {
    for (int frames = 1; frames <= length; ++frames) {
      EXPECT_EQ(all_chosen(FrameChoice::kRandom, length, frames), combinations(length, frames))
          << length << " " << frames;
    }
  }
}

TEST(FrameChoiceTest, RandomSubsetsAreEquallyLikely) {
  std::map<Frames, int> counts;
  constexpr int kDraws = 20000;
  for (uint64_t key = 0; key < kDraws; ++key) ++counts[chosen(FrameChoice::kRandom, 5, 2, key)];
  ASSERT_EQ(counts.size(), 10u);
  // Six standard deviations of a binomial count.
  for (const auto& [frames, count] : counts) EXPECT_NEAR(count, kDraws / 10, 6 * 42.5);
}

TEST(FrameChoiceTest, EvenlySpacedFramesAreTheMiddlesOfEqualParts) {
  EXPECT_EQ(chosen(FrameChoice::kEvenlySpaced, 6, 6), (Frames{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(chosen(FrameChoice::kEvenlySpaced, 9, 3), (Frames{1, 4, 7}));
  EXPECT_EQ(chosen(FrameChoice::kEvenlySpaced, 10, 1), (Frames{5}));
  EXPECT_EQ(chosen(FrameChoice::kEvenlySpaced, 10, 4), (Frames{1, 3, 6, 8}));
  for (int length = 1; length <= 40; ++length) {
    for (int frames = 1; frames <= length; ++frames) {
      const Frames numbers = chosen(FrameChoice::kEvenlySpaced, length, frames);
      ASSERT_EQ(numbers.size(), static_cast<size_t>(frames));
      for (int i = 0; i < frames; ++i) {
        // The frame that covers the middle of part i.
        const double middle = (i + 0.5) * length / frames;
        EXPECT_LE(numbers[static_cast<size_t>(i)], middle);
        EXPECT_GT(numbers[static_cast<size_t>(i)] + 1, middle);
      }
    }
  }
}

TEST(FrameChoiceTest, FirstAndLastAreTheEnds) {
  for (int length = 1; length <= 8; ++length) {
    for (int frames = 1; frames <= length; ++frames) {
      Frames first, last;
      for (int i = 0; i < frames; ++i) first.push_back(i), last.push_back(length - frames + i);
      EXPECT_EQ(chosen(FrameChoice::kFirst, length, frames), first);
      EXPECT_EQ(chosen(FrameChoice::kLast, length, frames), last);
    }
  }
}

TEST(FrameChoiceTest, AllIsTheWholeTrackletWhateverIsAsked) {
  for (const ShortTracklet rule : kRules) {
    for (const int frames : {0, 1, 4, 9}) {
      EXPECT_EQ(chosen(FrameChoice::kAll, 4, frames, 1, rule), (Frames{0, 1, 2, 3}));
    }
  }
}

class ShortTrackletTest : public testing::TestWithParam<FrameChoice> {};

TEST_P(ShortTrackletTest, FollowsTheRule) {
  for (int length = 1; length <= 5; ++length) {
    for (int frames = length + 1; frames <= 12; ++frames) {
      Frames over, last, whole;
      for (int i = 0; i < frames; ++i) over.push_back(i % length);
      for (int i = 0; i < frames; ++i) last.push_back(std::min(i, length - 1));
      for (int i = 0; i < length; ++i) whole.push_back(i);
      EXPECT_EQ(chosen(GetParam(), length, frames, 3, ShortTracklet::kStartOver), over);
      EXPECT_EQ(chosen(GetParam(), length, frames, 3, ShortTracklet::kRepeatLast), last);
      EXPECT_EQ(chosen(GetParam(), length, frames, 3, ShortTracklet::kShorterClip), whole);
      EXPECT_TRUE(chosen(GetParam(), length, frames, 3, ShortTracklet::kLeaveOut).empty());
    }
  }
}

TEST_P(ShortTrackletTest, RandomRepeatsAreAllFramesAndAnyOthersInOrder) {
  // 3 frames for 5 places: every frame, and two draws with replacement.
  std::set<Frames> expected;
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      Frames numbers = {0, 1, 2, a, b};
      std::sort(numbers.begin(), numbers.end());
      expected.insert(numbers);
    }
  }
  EXPECT_EQ(all_chosen(GetParam(), 3, 5, ShortTracklet::kRandomRepeats), expected);
}

TEST_P(ShortTrackletTest, ATrackletOfJustTheRightLengthIsNotShort) {
  for (const ShortTracklet rule : kRules) {
    EXPECT_EQ(chosen(GetParam(), 4, 4, 1, rule), (Frames{0, 1, 2, 3}));
  }
}

INSTANTIATE_TEST_SUITE_P(Choices, ShortTrackletTest,
                         testing::Values(FrameChoice::kConsecutive, FrameChoice::kRandom,
                                         FrameChoice::kEvenlySpaced, FrameChoice::kFirst,
                                         FrameChoice::kLast));

TEST(FrameChoiceTest, ConsecutiveTakesOneDrawWhateverTheLength) {
  for (const int length : {1, 3, 4, 50}) {
    KeyedRandom random(9), other(9);
    choose_frames(FrameChoice::kConsecutive, ShortTracklet::kStartOver, length, 4, random);
    other.next();
    EXPECT_EQ(random.next(), other.next()) << length;
  }
}

TEST(FrameChoiceTest, NoFramesBreakARequirement) {
  EXPECT_THROW(chosen(FrameChoice::kFirst, 0, 1), common::RequirementError);
  EXPECT_THROW(chosen(FrameChoice::kFirst, 3, 0), common::RequirementError);
}

}  // namespace
}  // namespace muster::datastore
