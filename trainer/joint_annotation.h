// Joints of a store's frames under a trained pose network, written beside the store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "common/progress_sink.h"
#include "trainer/run_directory.h"

namespace muster::trainer {

struct AnnotationRequest {
  FinishedRun run;
  std::filesystem::path store_directory;
  std::string name;      // of the annotation
  bool replace = false;  // one of this name that is not of these weights, or is damaged
};

struct AnnotationReport {
  bool written = false;  // false: an annotation of this name by these weights was there
  int64_t frames = 0;    // of the store
  std::string origin;    // what the annotation says of itself: network, training, weights
};

// Sends every frame of the store through the frozen network, as a clip is seen in testing (centre
// window, no mirror, no occlusion), and writes its 14 joints in pixels of the stored frame as
// STORE/annotations/NAME (datastore/annotation.h). Joints of the store itself are neither needed
// nor looked at. Throws InputError if the network finds no joints, the weights do not fit, or the
// name is taken by other weights and `replace` is not set.
AnnotationReport annotate_store(const AnnotationRequest& request, common::ProgressSink& progress);

}  // namespace muster::trainer
