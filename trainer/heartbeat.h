// What ranks tell each other about where they are.
#pragma once

#include <array>
#include <cstdint>

namespace muster::trainer {

enum class Operation : int32_t {
  kNone,
  kAllReduce,
  kAllGather,
  kReduceScatter,
  kBroadcast,
  kBarrier,
  kDuplicate
};

const char* name_of(Operation operation);

// One communicator of a rank: the original one or a duplicate.
struct ChannelPlace {
  int64_t started = 0;  // operations so far; the last one has this sequence number
  int64_t awaited = 0;  // the sequence number of the one that a thread waits in; 0: none
  Operation last = Operation::kNone;
  Operation awaited_operation = Operation::kNone;
};

constexpr int kWatchedChannels = 6;  // more duplicates than that at a time are not watched

// Where a rank is.
struct Whereabouts {
  int64_t step = -1;     // the last complete one; -1: none yet
  int32_t recent = 0;    // the channel that was used last
  int32_t reserved = 0;  // no bytes without meaning: it travels as it is
  std::array<ChannelPlace, kWatchedChannels> channels;
};

enum class RankState : int32_t {
  kRunning,
  kGone,     // ended well; nothing more comes
  kFailing,  // is about to end the job and has told why
};

// Sent as its bytes, between ranks of one build.
struct Heartbeat {
  int32_t rank = 0;
  RankState state = RankState::kRunning;
  double still_seconds = 0;  // since `place` last changed, by the sender's clock
  Whereabouts place;
};

}  // namespace muster::trainer
