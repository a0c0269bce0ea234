#include "datastore/synthetic/synthetic_world.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/synthetic/tracklet_files.h"
#include "datastore/synthetic/tracklet_renderer.h"
#include "datastore/synthetic/world_lists.h"

namespace muster::datastore {
namespace {

constexpr int kMostIdentities = 9999;  // the layouts' names have room for
constexpr int kMostFrames = 500;
constexpr int kMostJobs = 256;

// Removes what was rendered unless it was published.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& output)
      : path_(common::temporary_name_beside(output)) {}
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!published_) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  void publish(const std::filesystem::path& output) {
    std::error_code failure;
    std::filesystem::rename(path_, output, failure);
    if (failure) throw common::system_call_error(output.string(), "rename", failure.value());
    published_ = true;
    common::sync_path(std::filesystem::absolute(output).parent_path());
  }

 private:
  std::filesystem::path path_;
  bool published_ = false;
};

// Threads that take tracklets one by one; the caller's thread tells progress.
class RenderingCrew {
 public:
  RenderingCrew(const WorldTraits& world, uint64_t seed, const std::vector<TrackletPlan>& plans,
                const std::filesystem::path& root)
      : world_(world), seed_(seed), plans_(plans), root_(root) {}

  // Rethrows the first failure once all threads have stopped.
  void run(int jobs, common::ProgressSink& progress) {
    std::vector<std::thread> threads;
    running_ = jobs;
    for (int job = 0; job < jobs; ++job) threads.emplace_back([this] { work(); });
    {
      std::unique_lock<std::mutex> lock(mutex_);
      while (running_ > 0) {
        changed_.wait_for(lock, std::chrono::milliseconds(100));
        const int64_t done = frames_done_;
        lock.unlock();
        progress.advance(done);
        lock.lock();
      }
    }
    for (std::thread& thread : threads) thread.join();
    if (failure_) std::rethrow_exception(failure_);
    progress.advance(frames_done_);
  }

 private:
  void work() {
    try {
      while (const TrackletPlan* plan = next()) {
        render_tracklet(world_, seed_, *plan, root_, [this] { return frame_done(); });
      }
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    std::lock_guard<std::mutex> lock(mutex_);
    --running_;
    changed_.notify_one();
  }
  const TrackletPlan* next() {
    std::lock_guard<std::mutex> lock(mutex_);
    return failure_ || next_ == plans_.size() ? nullptr : &plans_[next_++];
  }
  bool frame_done() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++frames_done_;
    return !failure_;
  }

  const WorldTraits& world_;
  const uint64_t seed_;
  const std::vector<TrackletPlan>& plans_;
  const std::filesystem::path& root_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_ = 0;
  int64_t frames_done_ = 0;
  int running_ = 0;
  std::exception_ptr failure_;
};

void require_between(const std::string& field, int value, int low, int high) {
  if (value >= low && value <= high) return;
  throw common::InputError(field, "is " + std::to_string(value),
                           "choose " + std::to_string(low) + " to " + std::to_string(high));
}

// Worlds of one seed share nobody: otherwise a network trained on one would meet the people of its
// test set again, and a cross-dataset table would measure memory.
uint64_t seed_of_world(const SyntheticWorldOptions& options) {
  uint64_t key = options.seed;
  for (const char letter : options.world) {
    key = common::combined_key({key, static_cast<uint64_t>(letter)});
  }
  return key;
}

PlanRequest checked_request(const SyntheticWorldOptions& options, const WorldTraits& world) {
  PlanRequest request;
  request.identities = options.identities == 0 ? world.identities : options.identities;
  request.frames = options.frames == 0 ? world.frames : options.frames;
  request.seed = seed_of_world(options);
  require_between("identities", request.identities, 2, kMostIdentities);
  require_between("frames", request.frames, 1, kMostFrames);
  require_between("jobs", options.jobs, 1, kMostJobs);
  return request;
}

}  // namespace

std::vector<std::string> synthetic_world_names() {
  std::vector<std::string> names;
  for (const WorldTraits& world : all_world_traits()) names.push_back(world.name);
  return names;
}

namespace {

void render_checked_world(const SyntheticWorldOptions& options, const std::filesystem::path& output,
                          common::ProgressSink& progress) {
  const WorldTraits& world = world_traits(options.world);
  const PlanRequest request = checked_request(options, world);
  common::require_new_directory(output, "choose another output or remove it first");
  common::remove_stale_temporaries(output);

  const std::vector<TrackletPlan> plans = plan_world(world, request);
  int64_t frames = 0;
  for (const TrackletPlan& plan : plans) frames += static_cast<int64_t>(plan.frame_names.size());

  TemporaryFolder folder(output);
  make_directories(folder.path());
  progress.begin("rendering " + world.name, "frames", frames);
  RenderingCrew(world, request.seed, plans, folder.path()).run(options.jobs, progress);
  if (world.name == "mars") write_mars_info(folder.path(), plans, request.seed);
  if (world.name == "ilids-vid") {
    write_ilids_splits(folder.path(), request.identities, request.seed);
  }
  if (world.name == "prid2011") write_prid_splits(folder.path(), plans, request.seed);
  PlanRequest noted = request;
  noted.seed = options.seed;
  write_world_note(folder.path(), world, noted, plans);
  folder.publish(output);
  progress.end();
}

}  // namespace

void render_synthetic_world(const SyntheticWorldOptions& options, common::ProgressSink& progress) {
  const std::filesystem::path output = without_trailing_slash(options.output);
  try {
    render_checked_world(options, output, progress);
  } catch (const common::SystemError& failure) {
    throw common::about_final_name(failure, output);
  }
}

}  // namespace muster::datastore
