#include "datastore/synthetic/tracklet_plan.h"

#include <algorithm>

#include "common/error.h"
#include "datastore/synthetic/random_streams.h"
#include "datastore/two_camera_facts.h"

namespace muster::datastore {
namespace {

// Names for a tracklet with a folder of its own.
void name_frames(TrackletPlan& plan, const PlanRequest& request, const std::string& prefix,
                 int digits, int first_number) {
  const int length = drawn_length(request, plan.person_key, plan.camera, plan.sequence);
  for (int frame = 0; frame < length; ++frame) {
    plan.frame_names.push_back(prefix + numbered("%0*d.png", digits, first_number + frame));
  }
  plan.joints_file = "joints/" + plan.folder + ".csv";
}

}  // namespace

int drawn_length(const PlanRequest& request, uint64_t person_key, int camera, int sequence) {
  auto random = random_stream(request.seed, person_key, static_cast<uint64_t>(camera),
                              static_cast<uint64_t>(sequence), Purpose::kPlan);
  const int mean = request.frames;
  const int low = mean >= 20 ? std::max(20, mean * 6 / 10) : std::max(1, mean * 6 / 10);
  const int high = 2 * mean - low;
  return low + static_cast<int>(random.below(static_cast<uint64_t>(high - low + 1)));
}

// The first N numbers are the same person in both cameras; the numbers above 200, as in PRID-2011
// itself, are other people in each, more of them in camera B.
std::vector<TrackletPlan> plan_prid2011(const PlanRequest& request) {
  if (request.identities > kPridCommonPersons) {
    throw common::InputError(
        "--identities",
        std::to_string(request.identities) + " are more than the 200 common persons of PRID-2011");
  }
  std::vector<TrackletPlan> plans;
  const int common_count = request.identities;
  for (int camera = 1; camera <= 2; ++camera) {
    const int singles = std::max(1, common_count / (camera == 1 ? 8 : 5));
    for (int index = 1; index <= common_count + singles; ++index) {
      const int number = index <= common_count ? index : kPridCommonPersons + index - common_count;
      TrackletPlan plan;
      plan.identity = number;
      plan.camera = camera;
      plan.person_key = static_cast<uint64_t>(number);
      if (index > common_count) plan.person_key += 1000000u * static_cast<uint64_t>(camera);
      plan.folder = numbered("multi_shot/cam_%c/person_%04d", camera == 1 ? 'a' : 'b', number);
      name_frames(plan, request, "", 4, 1);
      plans.push_back(std::move(plan));
    }
  }
  return plans;
}

// Numbers have gaps, and frames keep the numbers of the video they were cut from.
std::vector<TrackletPlan> plan_ilids_vid(const PlanRequest& request) {
  auto random = random_stream(request.seed, 0, 0, 0, Purpose::kPlan);
  std::vector<int> numbers;
  for (int number = 0; static_cast<int>(numbers.size()) < request.identities;) {
    const bool gap = number == 2 || random.chance(0.06);
    number += gap ? 2 : 1;
    numbers.push_back(number);
  }
  std::vector<TrackletPlan> plans;
  for (int camera = 1; camera <= 2; ++camera) {
    for (const int number : numbers) {
      TrackletPlan plan;
      plan.identity = number;
      plan.camera = camera;
      plan.person_key = static_cast<uint64_t>(number);
      plan.folder = numbered("sequences/cam%d/person%03d", camera, number);
      const int first = 1 + static_cast<int>(random.below(20000));
      name_frames(plan, request, numbered("cam%d_person%03d_", camera, number), 5, first);
      plans.push_back(std::move(plan));
    }
  }
  return plans;
}

std::vector<TrackletPlan> plan_sdu_vid(const PlanRequest& request) {
  std::vector<TrackletPlan> plans;
  for (int camera = 1; camera <= 2; ++camera) {
    for (int number = 1; number <= request.identities; ++number) {
      TrackletPlan plan;
      plan.identity = number;
      plan.camera = camera;
      plan.person_key = static_cast<uint64_t>(number);
      // Only the last three digits of a name tell the person, unless R says that all do.
      plan.folder = number <= 999 ? numbered("sequences/cam%d/person%03d", camera, number)
                                  : numbered("sequences/cam%d/person_R%04d", camera, number);
      name_frames(plan, request, "", 5, 1);
      plans.push_back(std::move(plan));
    }
  }
  return plans;
}

std::vector<TrackletPlan> plan_world(const WorldTraits& world, const PlanRequest& request) {
  if (world.name == "prid2011") return plan_prid2011(request);
  if (world.name == "ilids-vid") return plan_ilids_vid(request);
  if (world.name == "sdu-vid") return plan_sdu_vid(request);
  MUSTER_REQUIRE(world.name, ==, "mars");
  return plan_mars(request);
}

}  // namespace muster::datastore
