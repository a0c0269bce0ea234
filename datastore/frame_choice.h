// Which frames of a tracklet make a clip. The rules are those of the papers that muster trains.
#pragma once

#include <cstdint>
#include <vector>

#include "common/keyed_random.h"

namespace muster::datastore {

enum class FrameChoice {
  kConsecutive,   // from a random start
  kRandom,        // different ones, in their order in time
  kEvenlySpaced,  // the middle of each of N equal parts of the tracklet
  kFirst,
  kLast,
  kAll,  // the whole tracklet, whatever N is
};

// What becomes of a tracklet shorter than the clip.
enum class ShortTracklet {
  kStartOver,      // 0 1 2 0 1 2 0
  kRepeatLast,     // 0 1 2 2 2 2 2
  kRandomRepeats,  // every frame, the missing ones drawn again: 0 0 1 1 1 2 2
  kShorterClip,    // 0 1 2
  kLeaveOut,       // nothing: the tracklet is not used
};

// Row numbers 0 .. length - 1 of one clip of `frames` frames. Takes exactly one draw from `random`
// for kConsecutive, and none for the choices without chance unless repeats are drawn. Empty when a
// short tracklet is to be left out. Requires length > 0, and frames > 0 except for kAll. Any
// thread.
std::vector<int32_t> choose_frames(FrameChoice choice, ShortTracklet short_tracklet, int length,
                                   int frames, common::KeyedRandom& random);

}  // namespace muster::datastore
