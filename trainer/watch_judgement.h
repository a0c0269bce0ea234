// Whether a rank is at fault, from what was last heard of every rank. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer/heartbeat.h"

namespace muster::trainer {

// One rank as seen by another. Times are seconds of the judge's clock.
struct RankSight {
  std::string host;
  int64_t pid = 0;
  bool listens = false;    // whether its heartbeats come here at all
  double heard_at = 0;     // the last one's arrival; before the first, when watching began
  bool heard = false;      // whether there was one
  double still_since = 0;  // when its place last changed
  Heartbeat last;
};

enum class FaultKind {
  kSilent,   // no heartbeat for the limit: all its threads are stopped, or its host is gone
  kStuck,    // it alone does not move while others wait for it
  kTangled,  // every rank waits: they made different calls, or the network is lost
  kDied,     // its process is gone
};

struct Verdict {
  FaultKind kind = FaultKind::kSilent;
  int rank = 0;  // at fault; the first of the ranks where all are
  std::string line;
};

// How the work of a job is shared.
enum class WorkShare {
  kEqual,    // one step after another: who keeps others waiting for long is stuck
  kUnequal,  // one rank may work for hours while the others wait: it is not
};

// The worst fault after `limit_seconds`, if any. A rank that ended well is never at fault. A rank
// that computes is stuck only if another has waited for it that long: a long computation of all
// ranks is none.
std::optional<Verdict> judge(const std::vector<RankSight>& ranks, double now, double limit_seconds,
                             WorkShare work = WorkShare::kEqual);

// The verdict about a rank whose process is gone.
Verdict verdict_of_death(const std::vector<RankSight>& ranks, int dead);

// "waiting in all_gather 432 (after step 11)", "computing after all_reduce 88 (before a step)",
// "computing (before a step)"; operations of a duplicate are marked "of duplicate 1".
std::string described(const RankSight& rank);

// "ranks 0-2, 5: waiting in ...; rank 4: ..." of all but `except`, in the order of their first
// rank.
std::string described_others(const std::vector<RankSight>& ranks, int except);

}  // namespace muster::trainer
