// The plan of the MARS layout: half of the people train, half test, with distractors and junk.
#include <algorithm>

#include "datastore/synthetic/random_streams.h"
#include "datastore/synthetic/tracklet_plan.h"

namespace muster::datastore {
namespace {

constexpr int kCameras = 6;

void add_tracklet(const PlanRequest& request, const std::string& part, TrackletPlan plan,
                  std::vector<TrackletPlan>& plans) {
  const std::string label =
      plan.identity < 0 ? std::string("00-1") : numbered("%04d", plan.identity);
  plan.folder = part + "/" + label;
  const std::string name = label + numbered("C%dT%04d", plan.camera, plan.sequence);
  plan.joints_file = "joints/" + plan.folder + "/" + name + ".csv";
  const int length =
      std::min(999, drawn_length(request, plan.person_key, plan.camera, plan.sequence));
  for (int frame = 1; frame <= length; ++frame) {
    plan.frame_names.push_back(name + numbered("F%03d.jpg", frame));
  }
  plans.push_back(std::move(plan));
}

// One to three tracklets in each of two to four cameras; now and then a person whom one camera saw.
void add_identity(const PlanRequest& request, const std::string& part, int identity,
                  bool one_camera, std::vector<TrackletPlan>& plans) {
  auto random = random_stream(request.seed, static_cast<uint64_t>(identity), 0, 0, Purpose::kPlan);
  std::vector<int> cameras = {1, 2, 3, 4, 5, 6};
  random.shuffle(cameras);
  cameras.resize(one_camera ? 1 : 2 + random.below(3));
  std::sort(cameras.begin(), cameras.end());
  for (const int camera : cameras) {
    const int tracklets = 1 + static_cast<int>(random.below(3));
    for (int sequence = 1; sequence <= tracklets; ++sequence) {
      TrackletPlan plan;
      plan.identity = identity;
      plan.person_key = static_cast<uint64_t>(identity);
      plan.camera = camera;
      plan.sequence = sequence;
      add_tracklet(request, part, plan, plans);
    }
  }
}

// Strangers (identity 0) or boxes that fit no one (identity -1).
void add_false_detections(const PlanRequest& request, int identity, int per_camera,
                          std::vector<TrackletPlan>& plans) {
  for (int camera = 1; camera <= kCameras; ++camera) {
    for (int sequence = 1; sequence <= per_camera; ++sequence) {
      TrackletPlan plan;
      plan.identity = identity;
      plan.person_key = 2000000u + (identity < 0 ? 1000000u : 0u) +
                        static_cast<uint64_t>(camera * 10000 + sequence);
      plan.camera = camera;
      plan.sequence = sequence;
      plan.misalignment = identity < 0 ? 8 : 2;
      add_tracklet(request, "bbox_test", plan, plans);
    }
  }
}

}  // namespace

std::vector<TrackletPlan> plan_mars(const PlanRequest& request) {
  auto random = random_stream(request.seed, 0, 0, 1, Purpose::kPlan);
  std::vector<int> numbers(static_cast<size_t>(request.identities));
  for (size_t index = 0; index < numbers.size(); ++index)
    numbers[index] = static_cast<int>(index) + 1;
  random.shuffle(numbers);
  std::vector<int> train(numbers.begin(), numbers.begin() + (request.identities + 1) / 2);
  std::vector<int> test(numbers.begin() + (request.identities + 1) / 2, numbers.end());
  std::sort(train.begin(), train.end());
  std::sort(test.begin(), test.end());

  std::vector<TrackletPlan> plans;
  for (const int identity : train) add_identity(request, "bbox_train", identity, false, plans);
  // In the order of the sorted folder names: 00-1, 0000, 0001, ...
  const int per_camera = 1 + request.identities / 12;
  add_false_detections(request, -1, (per_camera + 2) / 3, plans);
  add_false_detections(request, 0, per_camera, plans);
  for (size_t index = 0; index < test.size(); ++index) {
    add_identity(request, "bbox_test", test[index], index > 0 && index % 16 == 0, plans);
  }
  return plans;
}

}  // namespace muster::datastore
