#include "trainer/watch_judgement.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace muster::trainer {
namespace {

bool is_running(const RankSight& rank) {
  return rank.listens && rank.last.state == RankState::kRunning;
}

bool waits(const RankSight& rank) {
  const auto& channels = rank.last.place.channels;
  return std::any_of(channels.begin(), channels.end(),
                     [](const ChannelPlace& channel) { return channel.awaited > 0; });
}

// `waiting` waits for an operation that `other` has not begun.
bool waits_for(const RankSight& waiting, const RankSight& other) {
  for (size_t i = 0; i < waiting.last.place.channels.size(); ++i) {
    const ChannelPlace& channel = waiting.last.place.channels[i];
    if (channel.awaited > other.last.place.channels[i].started) return true;
  }
  return false;
}

std::string of_channel(int channel) {
  return channel == 0 ? "" : " of duplicate " + std::to_string(channel);
}

std::string operation_text(Operation operation, int64_t sequence, int channel) {
  return std::string(name_of(operation)) + " " + std::to_string(sequence) + of_channel(channel);
}

std::string step_text(int64_t step) {
  return step < 0 ? " (before a step)" : " (after step " + std::to_string(step) + ")";
}

// "waiting in all_gather 3", "computing after barrier 7".
std::string doing(const Whereabouts& place) {
  for (int i = 0; i < kWatchedChannels; ++i) {
    const ChannelPlace& channel = place.channels[static_cast<size_t>(i)];
    if (channel.awaited > 0) {
      return "waiting in " + operation_text(channel.awaited_operation, channel.awaited, i);
    }
  }
  const ChannelPlace& recent = place.channels[static_cast<size_t>(place.recent)];
  if (recent.started == 0) return "computing";
  return "computing after " + operation_text(recent.last, recent.started, place.recent);
}

std::string rank_on_host(const std::vector<RankSight>& ranks, int rank) {
  return "rank " + std::to_string(rank) + " on host " + ranks[static_cast<size_t>(rank)].host;
}

std::string whole_seconds(double seconds) {
  return std::to_string(std::llround(std::floor(seconds))) + " s";
}

// What was last seen of the rank at fault, then everybody else.
std::string with_places(const std::string& fault, const std::vector<RankSight>& ranks, int rank) {
  const std::string others = described_others(ranks, rank);
  const RankSight& sight = ranks[static_cast<size_t>(rank)];
  return "muster: " + fault + (sight.heard ? ": last seen " : ": ") + described(sight) +
         (others.empty() ? "" : "; " + others);
}

// "0-2, 5" of ascending numbers.
std::string ranges(const std::vector<int>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size();) {
    size_t last = i;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
    text += (text.empty() ? "" : ", ") + std::to_string(numbers[i]);
    if (last > i) text += (last == i + 1 ? ", " : "-") + std::to_string(numbers[last]);
    i = last + 1;
  }
  return text;
}

std::optional<Verdict> silent_rank(const std::vector<RankSight>& ranks, double now, double limit) {
  int worst = -1;
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    const RankSight& sight = ranks[static_cast<size_t>(rank)];
    if (!is_running(sight) || now - sight.heard_at < limit) continue;
    if (worst < 0 || sight.heard_at < ranks[static_cast<size_t>(worst)].heard_at) worst = rank;
  }
  if (worst < 0) return std::nullopt;
  const double silence = now - ranks[static_cast<size_t>(worst)].heard_at;
  return Verdict{
      FaultKind::kSilent, worst,
      with_places(rank_on_host(ranks, worst) + " has not been heard for " + whole_seconds(silence),
                  ranks, worst)};
}

// Whether somebody has waited for `rank` since before `deadline`.
bool is_awaited(const std::vector<RankSight>& ranks, const RankSight& rank, double deadline) {
  return std::any_of(ranks.begin(), ranks.end(), [&](const RankSight& other) {
    return is_running(other) && other.still_since <= deadline && waits_for(other, rank);
  });
}

std::optional<Verdict> stuck_rank(const std::vector<RankSight>& ranks, double now, double limit) {
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    const RankSight& sight = ranks[static_cast<size_t>(rank)];
    if (!is_running(sight) || now - sight.still_since < limit) continue;
    if (!is_awaited(ranks, sight, now - limit)) continue;
    // It waits itself: whoever it waits for is at fault.
    const bool excused = std::any_of(ranks.begin(), ranks.end(), [&](const RankSight& other) {
      return other.listens && waits_for(sight, other);
    });
    if (excused) continue;
    return Verdict{FaultKind::kStuck, rank,
                   with_places(rank_on_host(ranks, rank) + " has not moved for " +
                                   whole_seconds(now - sight.still_since),
                               ranks, rank)};
  }
  return std::nullopt;
}

std::optional<Verdict> tangled_ranks(const std::vector<RankSight>& ranks, double now,
                                     double limit) {
  double latest = 0;
  int first = -1;
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    const RankSight& sight = ranks[static_cast<size_t>(rank)];
    // Who is not seen here may be the one that moves.
    if (!sight.listens) return std::nullopt;
    if (!is_running(sight)) continue;
    if (!waits(sight) || now - sight.still_since < limit) return std::nullopt;
    latest = std::max(latest, sight.still_since);
    if (first < 0) first = rank;
  }
  if (first < 0) return std::nullopt;
  return Verdict{FaultKind::kTangled, first,
                 "muster: all ranks wait for each other since " + whole_seconds(now - latest) +
                     ": " + described_others(ranks, -1)};
}

}  // namespace

std::string described(const RankSight& rank) {
  if (!rank.listens) return "not seen from here";
  if (!rank.heard) return "never heard";
  if (rank.last.state == RankState::kGone) return "done";
  return doing(rank.last.place) + step_text(rank.last.place.step);
}

std::string described_others(const std::vector<RankSight>& ranks, int except) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (int rank = 0; rank < static_cast<int>(ranks.size()); ++rank) {
    if (rank == except) continue;
    const std::string text = described(ranks[static_cast<size_t>(rank)]);
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return group.first == text; });
    if (found == groups.end()) {
      groups.push_back({text, {rank}});
    } else {
      found->second.push_back(rank);
    }
  }
  std::string line;
  for (const auto& [text, members] : groups) {
    line += (line.empty() ? "" : "; ") + std::string(members.size() == 1 ? "rank " : "ranks ") +
            ranges(members) + ": " + text;
  }
  return line;
}

std::optional<Verdict> judge(const std::vector<RankSight>& ranks, double now, double limit_seconds,
                             WorkShare work) {
  if (auto verdict = silent_rank(ranks, now, limit_seconds)) return verdict;
  if (work == WorkShare::kEqual) {
    if (auto verdict = stuck_rank(ranks, now, limit_seconds)) return verdict;
  }
  return tangled_ranks(ranks, now, limit_seconds);
}

Verdict verdict_of_death(const std::vector<RankSight>& ranks, int dead) {
  const int64_t pid = ranks[static_cast<size_t>(dead)].pid;
  return {FaultKind::kDied, dead,
          with_places(rank_on_host(ranks, dead) + " (pid " + std::to_string(pid) + ") died", ranks,
                      dead)};
}

}  // namespace muster::trainer
