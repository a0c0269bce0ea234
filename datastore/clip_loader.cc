#include "datastore/clip_loader.h"

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "common/error.h"

namespace muster::datastore {

StoredClip read_clip(const TrackletStore& store, const StoredTracklet& tracklet,
                     const std::vector<int32_t>& frames, bool with_flow) {
  StoredClip clip;
  clip.flow_height = store.manifest().geometry.flow_height;
  clip.flow_width = store.manifest().geometry.flow_width;
  for (const int32_t frame : frames) {
    clip.frames.push_back(store.read_image(tracklet, frame));
    if (with_flow) clip.flow.push_back(store.read_flow(tracklet, frame));
  }
  return clip;
}

namespace {

// A batch in the making. Workers fill disjoint parts of `batch.values` without the lock.
struct Slot {
  LoadedBatch batch;
  int64_t next_clip = 0;  // of the share, not yet taken by a worker
  int64_t missing = 0;    // taken or not, but not finished
  std::exception_ptr failure;
};

}  // namespace

struct ClipLoader::State {
  const TrackletStore& store;
  const BatchPlanner& planner;
  const ClipFormat& format;
  const LoaderOptions options;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int64_t, Slot> slots;  // by step
  int64_t next_step;              // that next() will hand out
  bool stop = false;
  std::vector<std::thread> workers;

  State(const TrackletStore& s, const BatchPlanner& p, const ClipFormat& f, const LoaderOptions& o)
      : store(s), planner(p), format(f), options(o), next_step(o.first_step) {}
  void open_slots();
  Slot* slot_with_work();
  void work();
  void fill_clip(Slot& slot, int64_t clip) const;
};

// Plans batches up to the prefetch distance. Called with the lock held.
void ClipLoader::State::open_slots() {
  const int64_t end = std::min(options.last_step + 1, next_step + options.prefetch_batches);
  for (int64_t step = next_step; step < end; ++step) {
    if (slots.count(step) > 0) continue;
    Slot& slot = slots[step];
    slot.batch.step = step;
    slot.batch.global = planner.batch(step);
    slot.batch.share =
        share_of_rank(static_cast<int64_t>(slot.batch.global.size()), options.rank, options.size);
    slot.missing = slot.batch.share.end - slot.batch.share.begin;
    slot.batch.frames = static_cast<int>(slot.batch.global.front().frames.size());
    slot.batch.values.resize(static_cast<size_t>(slot.missing) * slot.batch.frames *
                             format.channels() * format.crop_height * format.crop_width);
  }
}

Slot* ClipLoader::State::slot_with_work() {
  for (auto& [step, slot] : slots) {
    if (slot.next_clip < slot.batch.share.end - slot.batch.share.begin) return &slot;
  }
  return nullptr;
}

void ClipLoader::State::fill_clip(Slot& slot, int64_t clip) const {
  const ClipRequest& request =
      slot.batch.global[static_cast<size_t>(slot.batch.share.begin + clip)];
  const StoredTracklet& tracklet = store.tracklets()[static_cast<size_t>(request.tracklet)];
  const StoredClip stored = read_clip(store, tracklet, request.frames, format.flow);
  const size_t clip_values = request.frames.size() * static_cast<size_t>(format.channels()) *
                             format.crop_height * format.crop_width;
  apply_clip_transform(stored, format, request.transform,
                       slot.batch.values.data() + static_cast<size_t>(clip) * clip_values);
}

void ClipLoader::State::work() {
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    Slot* slot = nullptr;
    changed.wait(lock, [&] { return stop || (slot = slot_with_work()) != nullptr; });
    if (stop) return;
    const int64_t clip = slot->next_clip++;
    lock.unlock();
    std::exception_ptr failure;
    try {
      fill_clip(*slot, clip);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && !slot->failure) slot->failure = failure;
    if (--slot->missing == 0) changed.notify_all();
  }
}

ClipLoader::ClipLoader(const TrackletStore& store, const BatchPlanner& planner,
                       const ClipFormat& format, const LoaderOptions& options)
    : state_(std::make_unique<State>(store, planner, format, options)) {
  MUSTER_REQUIRE(options.threads, >, 0);
  MUSTER_REQUIRE(options.prefetch_batches, >, 0);
  const FrameGeometry& geometry = store.manifest().geometry;
  if (format.flow && geometry.flow_height == 0) {
    throw common::InputError(store.directory().string(),
                             "has no optical flow, the network needs it",
                             "ingest it with --flow lucas-kanade");
  }
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->open_slots();
  }
  for (int i = 0; i < options.threads; ++i) {
    state_->workers.emplace_back([state = state_.get()] { state->work(); });
  }
}

ClipLoader::~ClipLoader() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stop = true;
    state_->changed.notify_all();
  }
  for (std::thread& worker : state_->workers) worker.join();
}

LoadedBatch ClipLoader::next() {
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  MUSTER_REQUIRE(s.next_step, <=, s.options.last_step);
  Slot& slot = s.slots.at(s.next_step);
  s.changed.wait(lock, [&] { return slot.missing == 0; });
  if (slot.failure) std::rethrow_exception(slot.failure);
  LoadedBatch batch = std::move(slot.batch);
  s.slots.erase(s.next_step++);
  s.open_slots();
  s.changed.notify_all();
  return batch;
}

}  // namespace muster::datastore
