#include "datastore/synthetic/tracklet_renderer.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "common/atomic_file.h"
#include "datastore/resample.h"
#include "datastore/synthetic/drawing/camera_effects.h"
#include "datastore/synthetic/drawing/figure_painter.h"
#include "datastore/synthetic/drawing/passers_by.h"
#include "datastore/synthetic/drawing/street_scene.h"
#include "datastore/synthetic/random_streams.h"
#include "datastore/synthetic/tracklet_files.h"

namespace muster::datastore {
namespace {

constexpr int kOversampling = 2;
constexpr double kTurn = 6.283185307179586;

// What chance decided for a tracklet: how the person walks through it and how the box follows.
struct Walk {
  double heading, turn_per_frame, pitch;
  double phase;
  double height_share;  // of the frame's height that an average person fills
  double ground_share;  // where the feet stand
  double centre_share;
  double wander_x, wander_y, wander_phase, wander_cycles_per_frame;
  double scroll_start, rise;
  Daylight light;
};

Walk draw_walk(const WorldTraits& world, const TrackletPlan& plan, common::KeyedRandom random) {
  Walk walk;
  const double jitter = world.box_jitter * plan.misalignment;
  walk.heading =
      world.headings[static_cast<size_t>(plan.camera - 1)] + world.heading_spread * random.normal();
  if (random.chance(0.06)) walk.heading += kTurn / 2;  // some walk the other way
  walk.turn_per_frame = random.uniform(-0.4, 0.4) / static_cast<double>(plan.frame_names.size());
  walk.pitch = random.uniform(0.05, 0.3);
  walk.phase = random.uniform(0, kTurn);
  walk.height_share = 0.89 * std::exp(1.2 * jitter * random.normal());
  walk.ground_share = 0.96 + jitter * random.normal();
  walk.centre_share = 0.5 + 2 * jitter * random.normal();
  walk.wander_x = 2 * jitter * random.normal();
  walk.wander_y = jitter * random.normal();
  walk.wander_phase = random.uniform(0, kTurn);
  walk.wander_cycles_per_frame = random.uniform(0.01, 0.06);
  walk.scroll_start = random.uniform(0, 100000);
  walk.rise = random.uniform(0.02, 0.23);
  const double sun = random.uniform(0, kTurn);
  walk.light.direction =
      cv::Point2f(static_cast<float>(std::cos(sun)), static_cast<float>(std::sin(sun)));
  walk.light.contrast = static_cast<float>(random.uniform(0.1, 0.5));
  return walk;
}

// The body regions whose pixels leave a joint visible.
bool shows_joint(int joint, Shown shown) {
  switch (joint) {
    case kHeadTop:
      return shown == Shown::kHead;
    case kNeck:
      return shown == Shown::kHead || shown == Shown::kTrunk;
    case kRightShoulder:
      return shown == Shown::kRightArm || shown == Shown::kTrunk;
    case kLeftShoulder:
      return shown == Shown::kLeftArm || shown == Shown::kTrunk;
    case kRightElbow:
    case kRightWrist:
      return shown == Shown::kRightArm;
    case kLeftElbow:
    case kLeftWrist:
      return shown == Shown::kLeftArm;
    case kRightHip:
      return shown == Shown::kRightLeg || shown == Shown::kTrunk;
    case kLeftHip:
      return shown == Shown::kLeftLeg || shown == Shown::kTrunk;
    case kRightKnee:
    case kRightAnkle:
      return shown == Shown::kRightLeg;
    default:
      return shown == Shown::kLeftLeg;
  }
}

class TrackletRenderer {
 public:
  TrackletRenderer(const WorldTraits& world, uint64_t seed, const TrackletPlan& plan)
      : plan_(plan),
        seed_(seed),
        camera_(static_cast<uint64_t>(plan.camera)),
        big_(world.frame_width * kOversampling, world.frame_height * kOversampling),
        jitter_(world.box_jitter * plan.misalignment),
        person_(draw_member(seed, plan.person_key)),
        walk_(draw_walk(world, plan, moment(Purpose::kTracklet))),
        scene_(world, plan.camera, random_stream(seed, 0, camera_, 0, Purpose::kScene),
               moment(Purpose::kScene), big_),
        passers_by_(world, moment(Purpose::kOccluders), big_,
                    static_cast<int>(plan.frame_names.size())),
        effects_(world, plan.camera, random_stream(seed, 0, camera_, 0, Purpose::kCamera),
                 moment(Purpose::kEffects)) {
    canvas_.picture.create(big_, CV_8UC3);
    canvas_.shown.create(big_, CV_8UC1);
  }

  // The picture at frame size, valid until the next call; appends its joints.
  const cv::Mat& render(int frame, std::vector<Joint>& joints) {
    const View view = view_of(frame);
    const double speed = std::sin(walk_.heading) * 3.2 * std::sin(person_.gait.stride_radians) *
                         person_.leg_share * person_.gait.cycles_per_frame * big_.height;
    scene_.copy_window(walk_.scroll_start + frame * speed, walk_.rise * big_.height,
                       canvas_.picture);
    canvas_.shown.setTo(static_cast<uint8_t>(Shown::kScene));
    passers_by_.paint_behind(frame, walk_.light, canvas_);
    const double phase = walk_.phase + kTurn * person_.gait.cycles_per_frame * frame;
    const BodyPose pose = walking_pose(person_, phase);
    paint_figure(person_, pose, view, walk_.light, false, canvas_);
    passers_by_.paint_before(frame, walk_.light, canvas_);
    append_joints(pose, view, joints);
    cv::resize(canvas_.picture, picture_,
               cv::Size(big_.width / kOversampling, big_.height / kOversampling), 0, 0,
               cv::INTER_AREA);
    effects_.apply(frame_stream(frame, Purpose::kNoise), picture_);
    return picture_;
  }

 private:
  common::KeyedRandom moment(Purpose purpose) const {
    return random_stream(seed_, plan_.person_key, camera_,
                         1000000u * static_cast<uint64_t>(plan_.sequence), purpose);
  }
  common::KeyedRandom frame_stream(int frame, Purpose purpose) const {
    return random_stream(
        seed_, plan_.person_key, camera_,
        1000000u * static_cast<uint64_t>(plan_.sequence) + 1 + static_cast<uint64_t>(frame),
        purpose);
  }

  View view_of(int frame) const {
    common::KeyedRandom random = frame_stream(frame, Purpose::kFrame);
    const double wander =
        std::sin(walk_.wander_phase + kTurn * walk_.wander_cycles_per_frame * frame);
    View view;
    view.heading = walk_.heading + walk_.turn_per_frame * frame;
    view.pitch = walk_.pitch;
    view.pixels_per_unit = big_.height * walk_.height_share *
                           (1 + 0.5 * jitter_ * wander + 0.3 * jitter_ * random.normal());
    view.ground.x = big_.width * (walk_.centre_share + walk_.wander_x * wander +
                                  0.6 * jitter_ * random.normal());
    view.ground.y = big_.height * (walk_.ground_share + walk_.wander_y * wander +
                                   0.3 * jitter_ * random.normal());
    return view;
  }

  void append_joints(const BodyPose& pose, const View& view, std::vector<Joint>& joints) const {
    for (int index = 0; index < kJointCount; ++index) {
      cv::Point2f pixel = viewed(view, pose.joints[static_cast<size_t>(index)]).pixel;
      // The very top of the head is its outline; look a little lower for what covers it.
      const float below = index == kHeadTop ? 0.02f * static_cast<float>(view.pixels_per_unit) : 0;
      const cv::Point at(cvFloor(pixel.x), cvFloor(pixel.y + below));
      Joint joint;
      // Painted pixels have their centres at halves, joints have them at whole numbers.
      joint.x = resized_place(pixel.x - 0.5f, kOversampling, 1);
      joint.y = resized_place(pixel.y - 0.5f, kOversampling, 1);
      if (at.inside(cv::Rect(cv::Point(), big_)) && pixel.y >= 0) {
        const Shown shown = static_cast<Shown>(canvas_.shown.at<uint8_t>(at));
        joint.confidence = shows_joint(index, shown) ? 1.0f : 0.5f;
      }
      joints.push_back(joint);
    }
  }

  const TrackletPlan& plan_;
  const uint64_t seed_, camera_;
  const cv::Size big_;
  const double jitter_;
  const Appearance person_;
  const Walk walk_;
  const StreetScene scene_;
  const PassersBy passers_by_;
  const CameraEffects effects_;
  Canvas canvas_;
  cv::Mat picture_;
};

}  // namespace

void render_tracklet(const WorldTraits& world, uint64_t seed, const TrackletPlan& plan,
                     const std::filesystem::path& root, const std::function<bool()>& frame_done) {
  TrackletRenderer renderer(world, seed, plan);
  std::vector<Joint> joints;
  const std::filesystem::path folder = root / plan.folder;
  common::make_directories(folder);
  for (size_t frame = 0; frame < plan.frame_names.size(); ++frame) {
    const cv::Mat& picture = renderer.render(static_cast<int>(frame), joints);
    write_picture(folder / plan.frame_names[frame], picture);
    if (!frame_done()) return;
  }
  const std::filesystem::path joints_path = root / plan.joints_file;
  common::make_directories(joints_path.parent_path());
  write_bytes(joints_path, joints_table(plan, joints));
}

}  // namespace muster::datastore
