#include "trainer/mpi_all_reduce.h"

#include <algorithm>

#include "trainer/element_bytes.h"

namespace muster::trainer {
namespace {

// Of 64 kB to 1 MB the fastest between two ranks of one host: fewer handshakes, and sums still come
// from the cache.
constexpr int64_t kSegmentBytes = int64_t{1} << 20;
constexpr int64_t kSlots = 4;  // segments on their way at once
// Below, latency counts, and Open MPI's takes fewer messages.
constexpr int64_t kLeastBytes = int64_t{32} << 10;
// Above, pairs become many and segments small; Open MPI's ring is as good there.
constexpr int kMostRanks = 16;
constexpr int64_t kTagsOfSegments = 1024, kTagsOfCalls = 512;

int64_t ceiling(int64_t dividend, int64_t divisor) { return (dividend + divisor - 1) / divisor; }

int64_t elements_of_segment(ElementType type) {
  return kSegmentBytes / static_cast<int64_t>(element_bytes(type));
}

// sums[i] += addends[i]; the two do not overlap.
template <typename T>
void add_to(const char* addends, int64_t count, char* sums) {
  const T* const from = reinterpret_cast<const T*>(addends);
  T* const to = reinterpret_cast<T*>(sums);
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(to[i] + from[i]);
}

// sums[i] = parts[0][i] + parts[1][i] + ..., in this order; `sums` is one of the parts.
template <typename T>
void add_in_order(const std::vector<const char*>& parts, int64_t count, char* sums) {
  // Two terms have but one order, and need no block between.
  if (parts.size() == 2) return add_to<T>(parts[parts[0] == sums ? 1 : 0], count, sums);
  constexpr int64_t kBlock = 1024;
  T block[kBlock];
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t length = std::min(kBlock, count - first);
    const T* part = reinterpret_cast<const T*>(parts[0]) + first;
    std::copy(part, part + length, block);
    for (size_t i = 1; i < parts.size(); ++i) {
      part = reinterpret_cast<const T*>(parts[i]) + first;
      for (int64_t j = 0; j < length; ++j) block[j] = static_cast<T>(block[j] + part[j]);
    }
    std::copy(block, block + length, reinterpret_cast<T*>(sums) + first);
  }
}

void add_in_order(const std::vector<const char*>& parts, int64_t count, ElementType type,
                  char* sums) {
  switch (type) {
    case ElementType::kFloat32:
      return add_in_order<float>(parts, count, sums);
    case ElementType::kFloat64:
      return add_in_order<double>(parts, count, sums);
    case ElementType::kInt64:
      return add_in_order<int64_t>(parts, count, sums);
    case ElementType::kByte:
      return add_in_order<uint8_t>(parts, count, sums);
  }
}

constexpr size_t kMostFreeBlocks = 16;

}  // namespace

MpiScratch::Block MpiScratch::take(size_t bytes) {
  if (free_.empty()) return Block(new char[bytes]);
  Block block = std::move(free_.back());
  free_.pop_back();
  return block;
}

void MpiScratch::give_back(Block block) {
  if (free_.size() < kMostFreeBlocks) free_.push_back(std::move(block));
}

bool MpiAllReduce::is_large(int64_t count, ElementType type) {
  return count * static_cast<int64_t>(element_bytes(type)) >= kLeastBytes;
}

bool MpiAllReduce::suits(int64_t count, ElementType type, int size) {
  return size > 1 && size <= kMostRanks && is_large(count, type);
}

MpiAllReduce::MpiAllReduce(void* buffer, int64_t count, ElementType type, const MpiGroup& group,
                           int64_t sequence, std::shared_ptr<MpiScratch> scratch)
    : buffer_(static_cast<char*>(buffer)),
      count_(count),
      type_(type),
      group_(group),
      sequence_(sequence),
      segment_elements_(elements_of_segment(type)),
      segments_(ceiling(ceiling(count, group.size), segment_elements_)),
      scratch_(std::move(scratch)),
      slots_(static_cast<size_t>(std::min(kSlots, segments_))) {
  const auto ranks = static_cast<size_t>(group.size);
  for (Slot& slot : slots_) {
    slot.theirs.resize(ranks);
    slot.ours.resize(ranks);
    slot.contributions = scratch_->take((ranks - 1) * static_cast<size_t>(kSegmentBytes));
    start(slot);
  }
}

MpiAllReduce::~MpiAllReduce() {
  for (Slot& slot : slots_) scratch_->give_back(std::move(slot.contributions));
}

// Pieces are equal but for the last ones; segments are equal but for a piece's last one.
MpiAllReduce::Stretch MpiAllReduce::stretch(int piece, int64_t segment) const {
  const int64_t share = ceiling(count_, group_.size);
  const int64_t end = std::min(count_, share * (piece + 1));
  Stretch result;
  result.begin = std::min(end, share * piece + segment * segment_elements_);
  result.count = std::min(segment_elements_, end - result.begin);
  return result;
}

char* MpiAllReduce::at(const Stretch& stretch) const {
  return buffer_ + static_cast<size_t>(stretch.begin) * element_bytes(type_);
}

char* MpiAllReduce::contribution(const Slot& slot, int from) const {
  const int place = from < group_.rank ? from : from - 1;
  return slot.contributions.get() + int64_t{place} * kSegmentBytes;
}

int MpiAllReduce::tag(int64_t segment, bool sum) const {
  const int64_t call = sequence_ % kTagsOfCalls;
  return static_cast<int>((call * kTagsOfSegments + segment % kTagsOfSegments) * 2 + (sum ? 1 : 0));
}

void MpiAllReduce::send(const char* data, int64_t count, int to, int tag,
                        MPI_Request& request) const {
  check_mpi(MPI_Isend(data, static_cast<int>(count * static_cast<int64_t>(element_bytes(type_))),
                      MPI_BYTE, to, tag, group_.communicator, &request),
            group_.rank, "all_reduce");
}

void MpiAllReduce::receive(char* data, int64_t count, int from, int tag,
                           MPI_Request& request) const {
  check_mpi(MPI_Irecv(data, static_cast<int>(count * static_cast<int64_t>(element_bytes(type_))),
                      MPI_BYTE, from, tag, group_.communicator, &request),
            group_.rank, "all_reduce");
}

bool MpiAllReduce::arrived(MPI_Request& request) const {
  int complete = 0;
  check_mpi(MPI_Test(&request, &complete, MPI_STATUS_IGNORE), group_.rank, "all_reduce");
  return complete != 0;
}

// Sends our contributions to the next segment of everybody's piece; false if none is left.
bool MpiAllReduce::start(Slot& slot) {
  slot.busy = next_segment_ < segments_;
  if (!slot.busy) return false;
  slot.segment = next_segment_++;
  const Stretch own = stretch(group_.rank, slot.segment);
  for (int rank = 0; rank < group_.size; ++rank) {
    Exchange& theirs = slot.theirs[static_cast<size_t>(rank)];
    Exchange& ours = slot.ours[static_cast<size_t>(rank)];
    theirs.stage = ours.stage = Stage::kDone;
    if (rank == group_.rank) continue;
    if (own.count > 0) {
      receive(contribution(slot, rank), own.count, rank, tag(slot.segment, false), ours.request);
      ours.stage = Stage::kContribution;
    }
    const Stretch piece = stretch(rank, slot.segment);
    if (piece.count > 0) {
      send(at(piece), piece.count, rank, tag(slot.segment, false), theirs.request);
      theirs.stage = Stage::kContribution;
    }
  }
  return true;
}

// Our contribution has left, so that its place may take the sum.
bool MpiAllReduce::advance_theirs(Slot& slot, int rank) {
  Exchange& exchange = slot.theirs[static_cast<size_t>(rank)];
  if (exchange.stage == Stage::kDone || !arrived(exchange.request)) return false;
  if (exchange.stage == Stage::kContribution) {
    const Stretch piece = stretch(rank, slot.segment);
    receive(at(piece), piece.count, rank, tag(slot.segment, true), exchange.request);
    exchange.stage = Stage::kSum;
  } else {
    exchange.stage = Stage::kDone;
  }
  return true;
}

bool MpiAllReduce::advance_ours(Slot& slot, int rank) {
  Exchange& exchange = slot.ours[static_cast<size_t>(rank)];
  const bool travels = exchange.stage == Stage::kContribution || exchange.stage == Stage::kSum;
  if (!travels || !arrived(exchange.request)) return false;
  exchange.stage = exchange.stage == Stage::kContribution ? Stage::kArrived : Stage::kDone;
  return true;
}

// Once all contributions are here.
bool MpiAllReduce::add_and_send(Slot& slot) {
  const Stretch own = stretch(group_.rank, slot.segment);
  std::vector<const char*> parts;
  for (int rank = 0; rank < group_.size; ++rank) {
    const bool self = rank == group_.rank;
    if (!self && slot.ours[static_cast<size_t>(rank)].stage != Stage::kArrived) return false;
    parts.push_back(self ? at(own) : contribution(slot, rank));
  }
  add_in_order(parts, own.count, type_, at(own));
  for (int rank = 0; rank < group_.size; ++rank) {
    if (rank == group_.rank) continue;
    Exchange& exchange = slot.ours[static_cast<size_t>(rank)];
    send(at(own), own.count, rank, tag(slot.segment, true), exchange.request);
    exchange.stage = Stage::kSum;
  }
  return true;
}

bool MpiAllReduce::advance() {
  bool moved = false, busy = false;
  for (Slot& slot : slots_) {
    if (!slot.busy) continue;
    for (int rank = 0; rank < group_.size; ++rank) {
      moved = advance_theirs(slot, rank) || moved;
      moved = advance_ours(slot, rank) || moved;
    }
    moved = add_and_send(slot) || moved;
    const auto is_done = [](const Exchange& exchange) { return exchange.stage == Stage::kDone; };
    if (std::all_of(slot.theirs.begin(), slot.theirs.end(), is_done) &&
        std::all_of(slot.ours.begin(), slot.ours.end(), is_done)) {
      start(slot);
    }
    busy = busy || slot.busy;
  }
  done = !busy;
  return moved || done;
}

}  // namespace muster::trainer
