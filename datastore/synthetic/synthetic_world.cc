#include "datastore/synthetic/synthetic_world.h"

#include <functional>
#include <memory>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/keyed_random.h"
#include "datastore/synthetic/film_lists.h"
#include "datastore/synthetic/rendering_crew.h"
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

// A world's parts, and the files that come after them.
struct WorldWork {
  int64_t frames = 0, tracklets = 0;
  std::vector<RenderingTask> tasks;
  std::function<void()> write_lists;
};

WorldWork tracklet_work(const WorldTraits& world, const PlanRequest& request,
                        const std::filesystem::path& root) {
  const auto plans = std::make_shared<const std::vector<TrackletPlan>>(plan_world(world, request));
  WorldWork work;
  for (const TrackletPlan& plan : *plans) {
    ++work.tracklets;
    work.frames += static_cast<int64_t>(plan.frame_names.size());
    work.tasks.push_back([&world, &request, &root, &plan](const auto& frame_done) {
      render_tracklet(world, request.seed, plan, root, frame_done);
    });
  }
  work.write_lists = [&world, &request, &root, plans] {
    if (world.name == "mars") write_mars_info(root, *plans, request.seed);
    if (world.name == "ilids-vid") write_ilids_splits(root, request.identities, request.seed);
    if (world.name == "prid2011") write_prid_splits(root, *plans, request.seed);
  };
  return work;
}

WorldWork film_work(const WorldTraits& world, const PlanRequest& request,
                    const std::filesystem::path& root) {
  const auto films = std::make_shared<const std::vector<FilmPlan>>(plan_films(world, request));
  silence_video_encoder();
  WorldWork work;
  for (const FilmPlan& film : *films) {
    work.tracklets += static_cast<int64_t>(film.walks.size());
    work.frames += film.frames;
    work.tasks.push_back([&world, &request, &root, &film](const auto& frame_done) {
      const std::vector<WalkBox> boxes = render_film(world, request.seed, film, root, frame_done);
      write_film_tables(world, request.seed, film, boxes, root);
    });
  }
  work.write_lists = [&world, &root, films] { write_film_identities(world, *films, root); };
  return work;
}

void render_checked_world(const SyntheticWorldOptions& options, const std::filesystem::path& output,
                          common::ProgressSink& progress) {
  const WorldTraits& world = world_traits(options.world);
  const PlanRequest request = checked_request(options, world);
  common::require_new_directory(output, "choose another output or remove it first");
  common::remove_stale_temporaries(output);

  TemporaryFolder folder(output);
  const WorldWork work = world.is_filmed ? film_work(world, request, folder.path())
                                         : tracklet_work(world, request, folder.path());
  common::make_directories(folder.path());
  progress.begin("rendering " + world.name, "frames", work.frames);
  render_all(work.tasks, options.jobs, progress);
  work.write_lists();
  PlanRequest noted = request;
  noted.seed = options.seed;
  write_world_note(folder.path(), world, noted, work.tracklets, work.frames);
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
