// Films of people as a dataset: what plain videos and MOTChallenge's sequences come down to. A
// layout says which films there are and where their boxes come from; the rest is the same for all.
//
// Who is who: a file of identities, if there is one, makes every track that it lists a tracklet of
// that identity and camera. Without it, one film alone gives two cameras: the early and the late
// half of each track, with a few frames dropped in between, since the first frame of one half would
// otherwise be nearly the last of the other. Of several films each is a camera, and nobody is known
// to be in two.
//
// Where a track has a gap, it is cut into several tracklets: sequences of the same identity and
// camera. Pieces that are shorter than minimum_frames are dropped, except those of listed tracks.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/fault_list.h"
#include "datastore/film.h"
#include "datastore/video_options.h"

namespace muster::datastore {

struct Footage {
  std::string layout;
  std::filesystem::path root;             // messages to people name files below it without it
  std::vector<Film> films;                // film i is camera i + 1 where no file says otherwise
  std::filesystem::path identities_file;  // empty if there is none
};

// Reads the films one after the other, twice where people are to be found or boxes to be joined.
// The crops lie in a temporary file (24 KiB each at 128x64); in memory are the boxes of one film,
// 8 bytes per crop, and never more than about 512 MiB of frames. Identities are the tracks' numbers
// (from the second film on plus the highest of the films before). Tracklets come by identity,
// camera, film and time.
//
// Faults, besides those of box_files.h and film_cutter.h: a film in which nobody is to be seen for
// long enough, a film that is missing or cannot be decoded, a row of the identities' file that
// names a film or a track that is not there. Throws InputError naming the root if no tracklet is
// left.
std::unique_ptr<DatasetReader> open_footage(const Footage& footage, FaultList faults,
                                            const VideoOptions& options,
                                            common::ProgressSink& progress);

}  // namespace muster::datastore
