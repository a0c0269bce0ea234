#include "trainer/batch_settings.h"

#include "common/error.h"

namespace muster::trainer {
namespace {

using common::InputError;

void demand_positive(int64_t value, const std::string& field, int64_t limit) {
  if (value <= 0) {
    throw InputError(field, std::to_string(value) + " is not positive");
  }
  if (value > limit) {
    throw InputError(field, std::to_string(value) + " is more than " + std::to_string(limit));
  }
}

datastore::Sampler sampler_of(const proto::Batch& batch) {
  switch (batch.sampler()) {
    case proto::TRACKLETS:
      return datastore::Sampler::kTracklets;
    case proto::PAIRS:
      return datastore::Sampler::kPairs;
    case proto::TRIPLETS:
      return datastore::Sampler::kTriplets;
    case proto::FRAMES:
      return datastore::Sampler::kFrames;
    case proto::IDENTITIES:
      break;
  }
  return datastore::Sampler::kIdentities;
}

datastore::FrameChoice frame_choice_of(const proto::Batch& batch) {
  switch (batch.frame_choice()) {
    case proto::RANDOM:
      return datastore::FrameChoice::kRandom;
    case proto::EVENLY_SPACED:
      return datastore::FrameChoice::kEvenlySpaced;
    case proto::FIRST:
      return datastore::FrameChoice::kFirst;
    case proto::LAST:
      return datastore::FrameChoice::kLast;
    case proto::ALL:
      return datastore::FrameChoice::kAll;
    case proto::CONSECUTIVE:
      break;
  }
  return datastore::FrameChoice::kConsecutive;
}

datastore::ShortTracklet short_tracklet_of(const proto::Batch& batch) {
  switch (batch.short_tracklet()) {
    case proto::REPEAT_LAST:
      return datastore::ShortTracklet::kRepeatLast;
    case proto::RANDOM_REPEATS:
      return datastore::ShortTracklet::kRandomRepeats;
    case proto::LEAVE_OUT:
      return datastore::ShortTracklet::kLeaveOut;
    case proto::START_OVER:
      break;
  }
  return datastore::ShortTracklet::kStartOver;
}

// What the sampler does not look at must not be set: it would change a run's name and nothing else.
void demand_fields_of_the_sampler(const proto::Batch& batch) {
  const std::string sampler = "sampler " + proto::Sampler_Name(batch.sampler());
  const auto refuse = [&](const std::string& field, const std::string& instead) {
    throw InputError("training.batch." + field, "has no meaning with " + sampler, instead);
  };
  const std::string unset =
      "--set training.batch=off before the other --set takes away what the file says of the batch";
  if (batch.sampler() == proto::IDENTITIES) {
    if (batch.has_size()) refuse("size", "set identities and clips instead; " + unset);
  } else {
    if (batch.has_identities()) refuse("identities", "set size instead; " + unset);
    if (batch.has_clips()) refuse("clips", "set size instead; " + unset);
  }
  if (batch.sampler() == proto::FRAMES) {
    const std::string instead = "its clips are single frames; " + unset;
    if (batch.has_frames()) refuse("frames", instead);
    if (batch.has_frame_choice()) refuse("frame_choice", instead);
    if (batch.has_short_tracklet()) refuse("short_tracklet", instead);
  }
  if (batch.frame_choice() != proto::ALL) return;
  for (const auto& [field, set] : {std::pair<const char*, bool>("frames", batch.has_frames()),
                                   {"short_tracklet", batch.has_short_tracklet()}}) {
    if (!set) continue;
    throw InputError(std::string("training.batch.") + field, "has no meaning with frame_choice ALL",
                     "whole tracklets are taken");
  }
}

}  // namespace

datastore::OcclusionOptions occlusion_options(const proto::Data& data) {
  constexpr int kLargestBox = 10000;
  const int size = data.occlusion().size();
  if (size < 0 || size > kLargestBox) {
    throw InputError("data.occlusion.size",
                     std::to_string(size) + " is not in 0 to " + std::to_string(kLargestBox));
  }
  return {size, data.occlusion().seed()};
}

datastore::JointSource joint_source(const proto::Data& data, const datastore::ClipFormat& format) {
  if (!format.joints && !data.joints().empty()) {
    throw InputError("data.joints", "has no meaning: the network does not look at joints");
  }
  return {format.joints, data.joints()};
}

datastore::BatchOptions batch_options(const proto::Experiment& experiment) {
  const proto::Training& training = experiment.training();
  const proto::Batch& batch = training.batch();
  demand_positive(batch.identities(), "training.batch.identities", 100000);
  demand_positive(batch.clips(), "training.batch.clips", 10000);
  demand_positive(batch.frames(), "training.batch.frames", 10000);
  demand_positive(batch.size(), "training.batch.size", 100000);
  demand_fields_of_the_sampler(batch);
  datastore::BatchOptions options;
  options.seed = training.seed();
  options.identities = batch.identities();
  options.clips = batch.clips();
  options.frames = batch.frames();
  options.random_crop = training.augmentation().crop();
  options.random_flip = training.augmentation().flip();
  options.sampler = sampler_of(batch);
  options.size = batch.size();
  options.frame_choice = frame_choice_of(batch);
  options.short_tracklet = short_tracklet_of(batch);
  options.occlusion = occlusion_options(experiment.data());
  return options;
}

datastore::LoaderOptions loader_options(const proto::Training& training, int rank, int size) {
  demand_positive(training.loader_threads(), "training.loader_threads", 256);
  demand_positive(training.prefetch_batches(), "training.prefetch_batches", 1024);
  if (training.steps() < 0) {
    throw InputError("training.steps", std::to_string(training.steps()) + " is negative");
  }
  datastore::LoaderOptions options;
  options.rank = rank;
  options.size = size;
  options.last_step = training.steps();
  options.threads = training.loader_threads();
  options.prefetch_batches = training.prefetch_batches();
  options.transform = true;
  return options;
}

}  // namespace muster::trainer
