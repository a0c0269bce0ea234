#include "datastore/synthetic/film_plan.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "common/error.h"
#include "datastore/synthetic/random_streams.h"

namespace muster::datastore {
namespace {

constexpr int kMostFrames = 999'999;  // six digits
constexpr int kShortestWithGap = 24;

// The first two are seen by all cameras, so that there always is someone to recognise.
bool is_seen(const PlanRequest& request, int identity, int camera) {
  if (identity <= 2) return true;
  if (identity == request.identities) return camera == 1;
  auto random = random_stream(request.seed, static_cast<uint64_t>(identity),
                              static_cast<uint64_t>(camera), 4, Purpose::kPlan);
  return camera == 1 || random.chance(0.75);
}

void add_gap(FilmWalk& walk, common::KeyedRandom& random) {
  if (walk.frames < kShortestWithGap || !random.chance(0.25)) return;
  walk.gap_frames = walk.frames / 8;
  walk.gap_first = walk.frames / 2 - walk.gap_frames / 2;
}

FilmPlan plan_film(const PlanRequest& request, int camera) {
  auto random = random_stream(request.seed, 0, static_cast<uint64_t>(camera), 5, Purpose::kPlan);
  std::vector<int> people;
  for (int identity = 1; identity <= request.identities; ++identity) {
    if (is_seen(request, identity, camera)) people.push_back(identity);
  }
  random.shuffle(people);
  FilmPlan film;
  film.camera = camera;
  std::array<int, kFilmLanes> free_from = {0, 5};  // frames
  for (const int identity : people) {
    FilmWalk walk;
    walk.identity = identity;
    walk.person_key = static_cast<uint64_t>(identity);
    walk.lane =
        static_cast<int>(std::min_element(free_from.begin(), free_from.end()) - free_from.begin());
    int& free_frame = free_from[static_cast<size_t>(walk.lane)];
    walk.first_frame = free_frame + static_cast<int>(random.below(6));
    walk.frames = drawn_length(request, walk.person_key, camera, 1);
    add_gap(walk, random);
    free_frame = walk.first_frame + walk.frames + 4;
    film.frames = std::max(film.frames, free_frame);
    film.walks.push_back(walk);
  }
  std::sort(film.walks.begin(), film.walks.end(), [](const FilmWalk& a, const FilmWalk& b) {
    return std::tie(a.first_frame, a.lane) < std::tie(b.first_frame, b.lane);
  });
  for (size_t index = 0; index < film.walks.size(); ++index) {
    film.walks[index].track = static_cast<int>(index) + 1;
  }
  if (film.frames > kMostFrames) {
    throw common::InputError(
        "--identities and --frames",
        "make a film of " + std::to_string(film.frames) + " frames, more than a million",
        "lower one of them");
  }
  return film;
}

}  // namespace

std::vector<FilmPlan> plan_films(const WorldTraits& world, const PlanRequest& request) {
  std::vector<FilmPlan> films;
  for (int camera = 1; camera <= world.cameras; ++camera) {
    FilmPlan film = plan_film(request, camera);
    const bool is_mot = world.name == "mot";
    film.name = is_mot ? numbered("SYNTH-%02d", camera) : numbered("camera-%d", camera);
    film.is_video = !is_mot || camera == world.cameras;
    films.push_back(std::move(film));
  }
  return films;
}

}  // namespace muster::datastore
