#include "datastore/clip_loader.h"

#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "common/error.h"

namespace muster::datastore {
namespace {

// Where all cores compute, a thread that is woken takes the core of the one that wakes it, which is
// the one that just asked for a batch: milliseconds for each batch. Threads of SCHED_BATCH wait
// until it is their turn, and get as much of it. Where the system refuses, nothing is lost but
// time.
void let_others_go_first() {
  const sched_param no_priority{};
  static_cast<void>(::sched_setscheduler(0, SCHED_BATCH, &no_priority));
}

}  // namespace

void require_readable(const TrackletStore& store, const ClipFormat& format) {
  const FrameGeometry& geometry = store.manifest().geometry;
  if (format.flow && geometry.flow_height == 0) {
    throw common::InputError(store.directory().string(),
                             "has no optical flow, the network needs it",
                             "ingest it with --flow lucas-kanade");
  }
  if (format.joints && !store.has_joints()) {
    throw common::InputError(store.directory().string(), "has no joints, the network needs them",
                             "ingest a dataset that has them, or annotate the store");
  }
}

StoredClip read_clip(const TrackletStore& store, const StoredTracklet& tracklet,
                     const std::vector<int32_t>& frames, bool with_flow, bool with_joints) {
  const FrameGeometry& geometry = store.manifest().geometry;
  StoredClip clip;
  clip.frames = static_cast<int>(frames.size());
  clip.height = geometry.height;
  clip.width = geometry.width;
  clip.flow_height = geometry.flow_height;
  clip.flow_width = geometry.flow_width;
  clip.rgb.resize(frames.size() * geometry.height * geometry.width * 3);
  store.read_images_into(tracklet, frames, clip.rgb.data());
  if (with_flow) {
    clip.flow.resize(frames.size() * geometry.flow_height * geometry.flow_width * 2);
    store.read_flow_into(tracklet, frames, clip.flow.data());
  }
  if (with_joints) {
    clip.joints.resize(frames.size() * kJointCount);
    store.read_joints_into(tracklet, frames, clip.joints.data());
  }
  return clip;
}

ClipView LoadedBatch::clip(int64_t number) const {
  MUSTER_REQUIRE(number, >=, 0);
  MUSTER_REQUIRE(number, <, share.end - share.begin);
  const size_t first = static_cast<size_t>(number) * frames;
  ClipView view{frames,      height,     width,   rgb.data() + first * height * width * 3,
                flow_height, flow_width, nullptr, nullptr};
  if (!flow.empty()) view.flow = flow.data() + first * flow_height * flow_width * 2;
  if (!joints.empty()) view.joints = joints.data() + first * kJointCount;
  return view;
}

namespace {

// A batch in the making. Workers fill disjoint parts of its vectors without the lock.
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
  std::map<int64_t, Slot> slots;   // by step
  std::vector<LoadedBatch> spare;  // memory that came back
  int64_t next_step;               // that next() will hand out
  int64_t next_planned;            // that a worker will plan
  bool stop = false;
  std::vector<std::thread> workers;

  State(const TrackletStore& s, const BatchPlanner& p, const ClipFormat& f, const LoaderOptions& o)
      : store(s),
        planner(p),
        format(f),
        options(o),
        next_step(o.first_step),
        next_planned(o.first_step) {}
  bool may_plan() const;
  void plan(Slot& slot, int64_t step) const;
  void reserve(LoadedBatch& batch) const;
  Slot* slot_with_work();
  void work();
  void open_slot(std::unique_lock<std::mutex>& lock);
  void fill_slot(std::unique_lock<std::mutex>& lock, Slot& slot);
  void fill_clip(Slot& slot, int64_t clip) const;
};

bool ClipLoader::State::may_plan() const {
  return next_planned <= options.last_step && next_planned < next_step + options.prefetch_batches;
}

void ClipLoader::State::plan(Slot& slot, int64_t step) const {
  slot.batch.step = step;
  slot.batch.global = planner.batch(step);
  slot.batch.share =
      share_of_rank(static_cast<int64_t>(slot.batch.global.size()), options.rank, options.size);
  slot.batch.frames = static_cast<int>(slot.batch.global.front().frames.size());
  reserve(slot.batch);
  slot.missing = slot.batch.share.end - slot.batch.share.begin;
}

// Sizes the vectors; recycled ones keep their memory.
void ClipLoader::State::reserve(LoadedBatch& batch) const {
  const FrameGeometry& geometry = store.manifest().geometry;
  batch.height = geometry.height;
  batch.width = geometry.width;
  batch.flow_height = format.flow ? geometry.flow_height : 0;
  batch.flow_width = format.flow ? geometry.flow_width : 0;
  const size_t frames = static_cast<size_t>(batch.share.end - batch.share.begin) * batch.frames;
  batch.rgb.resize(frames * batch.height * batch.width * 3);
  batch.flow.resize(frames * batch.flow_height * batch.flow_width * 2);
  batch.joints.resize(format.joints ? frames * kJointCount : 0);
  if (!options.transform) return;
  batch.values.resize(frames * format.channels() * format.crop_height * format.crop_width);
  batch.joints_in_window.resize(batch.joints.size());
}

Slot* ClipLoader::State::slot_with_work() {
  for (auto& [step, slot] : slots) {
    if (slot.next_clip < slot.batch.share.end - slot.batch.share.begin) return &slot;
  }
  return nullptr;
}

void ClipLoader::State::fill_clip(Slot& slot, int64_t clip) const {
  LoadedBatch& batch = slot.batch;
  const ClipRequest& request = batch.global[static_cast<size_t>(batch.share.begin + clip)];
  const StoredTracklet& tracklet = store.tracklets()[static_cast<size_t>(request.tracklet)];
  const size_t first = static_cast<size_t>(clip) * batch.frames;
  store.read_images_into(tracklet, request.frames,
                         batch.rgb.data() + first * batch.height * batch.width * 3);
  if (format.flow) {
    store.read_flow_into(tracklet, request.frames,
                         batch.flow.data() + first * batch.flow_height * batch.flow_width * 2);
  }
  if (format.joints) {
    store.read_joints_into(tracklet, request.frames, batch.joints.data() + first * kJointCount);
  }
  if (!options.transform) return;
  const size_t frame_values =
      static_cast<size_t>(format.channels()) * format.crop_height * format.crop_width;
  apply_clip_transform(batch.clip(clip), format, request.transform,
                       batch.values.data() + first * frame_values);
  if (format.joints) {
    apply_joint_transform(batch.clip(clip), format, request.transform,
                          batch.joints_in_window.data() + first * kJointCount);
  }
}

// Begins and ends with the lock held. Whoever asks for batches neither plans them nor waits for a
// thread that does.
void ClipLoader::State::open_slot(std::unique_lock<std::mutex>& lock) {
  const int64_t step = next_planned++;
  Slot slot;
  if (!spare.empty()) {
    slot.batch = std::move(spare.back());
    spare.pop_back();
  }
  lock.unlock();
  try {
    plan(slot, step);
  } catch (...) {
    slot.failure = std::current_exception();
    slot.batch.share = {};
  }
  lock.lock();
  slots.emplace(step, std::move(slot));
  changed.notify_all();
}

void ClipLoader::State::fill_slot(std::unique_lock<std::mutex>& lock, Slot& slot) {
  const int64_t clip = slot.next_clip++;
  lock.unlock();
  std::exception_ptr failure;
  try {
    fill_clip(slot, clip);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure && !slot.failure) slot.failure = failure;
  if (--slot.missing == 0) changed.notify_all();
}

void ClipLoader::State::work() {
  std::unique_lock<std::mutex> lock(mutex);
  for (;;) {
    Slot* slot = nullptr;
    changed.wait(lock, [&] { return stop || (slot = slot_with_work()) != nullptr || may_plan(); });
    if (stop) return;
    if (slot != nullptr) {
      fill_slot(lock, *slot);
    } else {
      open_slot(lock);
    }
  }
}

ClipLoader::ClipLoader(const TrackletStore& store, const BatchPlanner& planner,
                       const ClipFormat& format, const LoaderOptions& options)
    : state_(std::make_unique<State>(store, planner, format, options)) {
  MUSTER_REQUIRE(options.threads, >, 0);
  MUSTER_REQUIRE(options.prefetch_batches, >, 0);
  require_readable(store, format);
  for (int i = 0; i < options.threads; ++i) {
    state_->workers.emplace_back([state = state_.get()] {
      let_others_go_first();
      state->work();
    });
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
  const auto began = std::chrono::steady_clock::now();
  State& s = *state_;
  std::unique_lock<std::mutex> lock(s.mutex);
  MUSTER_REQUIRE(s.next_step, <=, s.options.last_step);
  auto found = s.slots.end();
  s.changed.wait(lock, [&] {
    found = s.slots.find(s.next_step);
    return found != s.slots.end() && found->second.missing == 0;
  });
  if (found->second.failure) std::rethrow_exception(found->second.failure);
  LoadedBatch batch = std::move(found->second.batch);
  batch.waited_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  s.slots.erase(found);
  ++s.next_step;
  lock.unlock();
  s.changed.notify_one();  // of the workers: nobody else waits
  return batch;
}

void ClipLoader::recycle(LoadedBatch batch) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->spare.size() <= static_cast<size_t>(state_->options.prefetch_batches)) {
    state_->spare.push_back(std::move(batch));
  }
}

}  // namespace muster::datastore
