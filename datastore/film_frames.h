// The frames of one camera in order: from a video file, or from a folder of numbered pictures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "datastore/image.h"

namespace muster::datastore {

// Where the frames lie. Frames count from 0 here, from 1 in the files that people write.
struct FilmPlace {
  std::filesystem::path video;                  // a video file, or
  std::vector<std::filesystem::path> pictures;  // one per frame; empty where the number is missing
  int64_t promised_frames = 0;  // that there should be, as a file beside the pictures says; 0: none
  int64_t max_frames = 0;       // stop after this many; 0: all
};

struct FilmFrame {
  Image image;
  // Why the image cannot be used, as "object" and "problem": a picture is missing, damaged or of
  // another size than its sequence. Videos have no such holes.
  std::string fault_object, fault;
};

// One object, one thread.
class FilmFrames {
 public:
  virtual ~FilmFrames() = default;
  // As far as it is known before reading; 0 if it is not.
  virtual int64_t announced_frames() const = 0;
  // Nothing after the last frame. Throws InputError naming the file if the size of the frames
  // changes or the decoder fails.
  virtual std::optional<FilmFrame> next() = 0;
  virtual int64_t frames_read() const = 0;
  // After the last frame: "ends early: decoded N of M frames", or empty if it is whole. The headers
  // of some containers only estimate the number of frames, above all where the frame rate varies. A
  // video is whole if the number or the time of its frames comes within 2 % of what its header
  // says.
  virtual std::string early_end() const = 0;
  // After the last frame: what else a person should know, or empty.
  virtual std::string remark() const = 0;
};

// Throws InputError naming the video if it is missing or cannot be decoded.
std::unique_ptr<FilmFrames> open_film_frames(const FilmPlace& place);

// True for names of video files by their ending (.avi, .mp4, .mkv, ...), in any case.
bool is_video_name(const std::string& name);

}  // namespace muster::datastore
