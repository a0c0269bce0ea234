// MOTChallenge's layout: sequences of pictures or video with annotated or detected boxes.
#pragma once

#include <filesystem>
#include <memory>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/video_options.h"

namespace muster::datastore {

// `input` is a sequence, or a folder of sequences, each of which is a camera. A sequence holds
// img1/000001.jpg, ... or one video file, and gt/gt.txt or, where that is missing, det/det.txt,
// whose boxes are joined into tracks; seqinfo.ini may say how many frames there should be
// (seqLength) and where the pictures are (imDir). A file identities.csv in `input` says who is the
// same person in several. See footage.h for what identities and cameras come of it.
//
// Throws InputError naming `input` if it holds no sequence, and as open_footage does; a folder that
// is no sequence is a fault.
std::unique_ptr<DatasetReader> open_mot(const std::filesystem::path& input,
                                        const VideoOptions& options,
                                        common::ProgressSink& progress);

}  // namespace muster::datastore
