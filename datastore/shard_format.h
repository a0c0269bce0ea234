// Names and constants of a shard file, version 1.1; docs/formats/shard.md is the specification.
#pragma once

#include <cstdint>

namespace muster::datastore {

constexpr char kShardFormatVersion[] = "1.1";
constexpr char kFramesJpeg[] = "/frames/jpeg";
constexpr char kFramesJpegOffset[] = "/frames/jpeg_offset";
constexpr char kFramesRgb[] = "/frames/rgb";
constexpr char kFramesFlow[] = "/frames/flow";
constexpr char kFramesJoints[] = "/frames/joints";
constexpr char kFramesCrc[] = "/frames/crc32c";
constexpr char kFlowCrc[] = "/frames/flow_crc32c";
constexpr char kTrackletStart[] = "/tracklets/start";
constexpr char kTrackletLength[] = "/tracklets/length";
constexpr char kTrackletIdentity[] = "/tracklets/identity";
constexpr char kTrackletCamera[] = "/tracklets/camera";
constexpr char kTrackletSequence[] = "/tracklets/sequence";
constexpr char kTrackletRole[] = "/tracklets/role";  // since 1.1

// The longest side of a frame or of its flow that readers take. An ingest writes at most 8192.
constexpr int64_t kMostPixelsAcross = 65535;

// Pixels per frame that one count of int8 flow stands for.
constexpr double kFlowPixelsPerCount = 20.0 / 127.0;

enum class FrameEncoding { kJpeg, kRaw };

// What is the same for every frame of a store. flow_height == 0: no flow.
struct FrameGeometry {
  int height = 0, width = 0;
  int flow_height = 0, flow_width = 0;
  bool has_joints = false;
  FrameEncoding encoding = FrameEncoding::kJpeg;
};

}  // namespace muster::datastore
