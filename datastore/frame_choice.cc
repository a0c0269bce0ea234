#include "datastore/frame_choice.h"

#include <algorithm>
#include <numeric>

#include "common/error.h"

namespace muster::datastore {
namespace {

using common::KeyedRandom;

// `count` numbers from `first`.
std::vector<int32_t> run_of(int first, int count) {
  std::vector<int32_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

std::vector<int32_t> frames_of_short_tracklet(ShortTracklet rule, int length, int frames,
                                              KeyedRandom& random) {
  std::vector<int32_t> chosen = run_of(0, length);
  switch (rule) {
    case ShortTracklet::kLeaveOut:
      return {};
    case ShortTracklet::kShorterClip:
      break;
    case ShortTracklet::kStartOver:
      for (int i = length; i < frames; ++i) chosen.push_back(i % length);
      break;
    case ShortTracklet::kRepeatLast:
      chosen.resize(static_cast<size_t>(frames), length - 1);
      break;
    case ShortTracklet::kRandomRepeats:
      for (int i = length; i < frames; ++i) {
        chosen.push_back(static_cast<int32_t>(random.below(static_cast<uint64_t>(length))));
      }
      std::sort(chosen.begin(), chosen.end());
      break;
  }
  return chosen;
}

std::vector<int32_t> random_frames(int length, int frames, KeyedRandom& random) {
  std::vector<int32_t> chosen = run_of(0, length);
  // The first steps of a shuffle suffice.
  for (int i = 0; i < frames; ++i) {
    const auto other = i + static_cast<int>(random.below(static_cast<uint64_t>(length - i)));
    std::swap(chosen[static_cast<size_t>(i)], chosen[static_cast<size_t>(other)]);
  }
  chosen.resize(static_cast<size_t>(frames));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int32_t> evenly_spaced_frames(int length, int frames) {
  std::vector<int32_t> chosen;
  for (int64_t i = 0; i < frames; ++i) {
    chosen.push_back(static_cast<int32_t>((2 * i + 1) * length / (2 * frames)));
  }
  return chosen;
}

}  // namespace

std::vector<int32_t> choose_frames(FrameChoice choice, ShortTracklet short_tracklet, int length,
                                   int frames, KeyedRandom& random) {
  MUSTER_REQUIRE(length, >, 0);
  if (choice == FrameChoice::kAll) return run_of(0, length);
  MUSTER_REQUIRE(frames, >, 0);
  int start = 0;
  if (choice == FrameChoice::kConsecutive) {
    start = static_cast<int>(random.below(static_cast<uint64_t>(std::max(1, length - frames + 1))));
  }
  if (length < frames) return frames_of_short_tracklet(short_tracklet, length, frames, random);
  switch (choice) {
    case FrameChoice::kRandom:
      return random_frames(length, frames, random);
    case FrameChoice::kEvenlySpaced:
      return evenly_spaced_frames(length, frames);
    case FrameChoice::kLast:
      return run_of(length - frames, frames);
    case FrameChoice::kConsecutive:
    case FrameChoice::kFirst:
    case FrameChoice::kAll:
      break;
  }
  return run_of(start, frames);
}

}  // namespace muster::datastore
