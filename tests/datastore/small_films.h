// Films of a few small frames in which everybody's place is known.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/keyed_random.h"
#include "datastore/dataset_reader.h"
#include "datastore/picture_files.h"
#include "datastore/video_options.h"
#include "tests/common/support.h"

namespace muster::datastore {

constexpr int kFilmHeight = 96, kFilmWidth = 128;

// Crops of 32x16 pixels; tracklets from 4 frames on, 2 frames between halves.
inline VideoOptions small_video_options(OnError on_error = OnError::kFail) {
  VideoOptions options;
  options.frame_height = 32;
  options.frame_width = 16;
  options.minimum_frames = 4;
  options.gap_frames = 2;
  options.on_error = on_error;
  return options;
}

// Where person `person` is in frame `frame` (both from 0): they walk right, one below the other.
inline cv::Rect place_of(int person, int frame) {
  return {8 + 2 * frame + 3 * person, 4 + 46 * (person % 2), 16, 32};
}

// Red in the upper, green in the lower half for person 0; turned on for the others. BGR.
inline cv::Scalar upper_colour(int person) {
  return person % 2 == 0 ? cv::Scalar(0, 0, 220) : cv::Scalar(220, 220, 0);
}
inline cv::Scalar lower_colour(int person) {
  return person % 2 == 0 ? cv::Scalar(0, 220, 0) : cv::Scalar(220, 0, 220);
}

inline cv::Mat film_picture(int frame, int persons) {
  cv::Mat picture(kFilmHeight, kFilmWidth, CV_8UC3, cv::Scalar(20, 20, 20));
  for (int person = 0; person < persons; ++person) {
    cv::Rect upper = place_of(person, frame);
    upper.height /= 2;
    cv::rectangle(picture, upper, upper_colour(person), cv::FILLED);
    cv::rectangle(picture, upper + cv::Point(0, upper.height), lower_colour(person), cv::FILLED);
  }
  return picture;
}

inline void write_film(const std::filesystem::path& path, int frames, int persons) {
  cv::VideoWriter writer(path.string(), cv::CAP_FFMPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                         10, cv::Size(kFilmWidth, kFilmHeight));
  ASSERT_TRUE(writer.isOpened()) << path;
  for (int frame = 0; frame < frames; ++frame) writer.write(film_picture(frame, persons));
}

constexpr const char* kBoxHeading = "frame,track,left,top,width,height\n";

// A row of NAME.boxes.csv; `frame` from 0, as everywhere here.
inline std::string box_row(int frame, int track, const cv::Rect& box) {
  return std::to_string(frame + 1) + "," + std::to_string(track) + "," + std::to_string(box.x) +
         "," + std::to_string(box.y) + "," + std::to_string(box.width) + "," +
         std::to_string(box.height) + "\n";
}

// Person p in frames [first, last) as track `track`.
inline std::string box_rows(int person, int track, int first, int last) {
  std::string rows;
  for (int frame = first; frame < last; ++frame) {
    rows += box_row(frame, track, place_of(person, frame));
  }
  return rows;
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// A picture in which no two places look alike.
inline Image noise(int height, int width, uint64_t seed) {
  Image image{height, width, {}};
  common::KeyedRandom random(seed);
  for (int i = 0; i < height * width * 3; ++i) {
    image.rgb.push_back(static_cast<uint8_t>(random.uniform(0, 256)));
  }
  return image;
}

// The box out of the picture; what lies outside repeats the nearest pixel.
inline std::vector<uint8_t> pixels_in(const Image& image, const cv::Rect& box) {
  std::vector<uint8_t> pixels;
  for (int y = box.y; y < box.y + box.height; ++y) {
    for (int x = box.x; x < box.x + box.width; ++x) {
      const int row = std::min(std::max(y, 0), image.height - 1);
      const int column = std::min(std::max(x, 0), image.width - 1);
      const uint8_t* rgb = &image.rgb[(size_t(row) * size_t(image.width) + size_t(column)) * 3];
      pixels.insert(pixels.end(), rgb, rgb + 3);
    }
  }
  return pixels;
}

// One line per tracklet: "identity camera sequence frames name".
inline std::vector<std::string> summary_of(const DatasetReader& reader) {
  std::vector<std::string> lines;
  for (const TrackletDescription& tracklet : reader.tracklets()) {
    lines.push_back(std::to_string(tracklet.identity) + " " + std::to_string(tracklet.camera) +
                    " " + std::to_string(tracklet.sequence) + " " +
                    std::to_string(tracklet.frames) + " " + tracklet.name);
  }
  return lines;
}

// Matroska with JPEG frames at given times: the container that only estimates its frame count, and
// whose rate may vary.
inline void append_element(std::string& out, std::string_view id, const std::string& content) {
  out += id;
  out += '\x01';  // an eight-byte size follows
  for (int shift = 48; shift >= 0; shift -= 8) out += static_cast<char>(content.size() >> shift);
  out += content;
}

inline std::string big_endian(uint64_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text += static_cast<char>(value >> shift);
  return text;
}

inline void write_matroska(const std::filesystem::path& path, const std::vector<int>& times_ms,
                           double duration_ms, int persons) {
  using namespace std::string_view_literals;
  std::string head, info, video, entry, tracks, cluster, segment, file;
  append_element(head, "\x42\x82"sv, "matroska");
  append_element(head, "\x42\x87"sv, big_endian(4, 1));
  append_element(head, "\x42\x85"sv, big_endian(2, 1));
  uint64_t duration_bits;
  std::memcpy(&duration_bits, &duration_ms, sizeof(duration_bits));
  append_element(info, "\x2A\xD7\xB1"sv, big_endian(1000000, 4));  // ticks of a millisecond
  append_element(info, "\x44\x89"sv, big_endian(duration_bits, 8));
  append_element(video, "\xB0"sv, big_endian(kFilmWidth, 2));
  append_element(video, "\xBA"sv, big_endian(kFilmHeight, 2));
  append_element(entry, "\xD7"sv, big_endian(1, 1));
  append_element(entry, "\x73\xC5"sv, big_endian(1, 1));
  append_element(entry, "\x83"sv, big_endian(1, 1));
  append_element(entry, "\x86"sv, "V_MJPEG");
  append_element(entry, "\xE0"sv, video);
  append_element(tracks, "\xAE"sv, entry);
  append_element(cluster, "\xE7"sv, big_endian(0, 1));
  for (size_t frame = 0; frame < times_ms.size(); ++frame) {
    std::vector<uint8_t> jpeg;
    cv::imencode(".jpg", film_picture(static_cast<int>(frame), persons), jpeg);
    append_element(cluster, "\xA3"sv,
                   "\x81" + big_endian(static_cast<uint64_t>(times_ms[frame]), 2) + "\x80" +
                       std::string(jpeg.begin(), jpeg.end()));
  }
  append_element(segment, "\x15\x49\xA9\x66"sv, info);
  append_element(segment, "\x16\x54\xAE\x6B"sv, tracks);
  append_element(segment, "\x1F\x43\xB6\x75"sv, cluster);
  append_element(file, "\x1A\x45\xDF\xA3"sv, head);
  append_element(file, "\x18\x53\x80\x67"sv, segment);
  write_text(path, file);
}

}  // namespace muster::datastore
