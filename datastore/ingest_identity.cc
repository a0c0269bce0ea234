#include "datastore/ingest_identity.h"

#include <algorithm>
#include <type_traits>

#include "common/error.h"
#include "common/sha256.h"
#include "datastore/ordered_parallel.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

// Raised together with results: another number means other bytes for the same input.
constexpr int kIngestVersion = 4;

// Every setting and fact that decides the store's bytes, a line each.
std::string settings_text(const DatasetReader& dataset, const IngestOptions& options) {
  std::string text = "muster ingest " + std::to_string(kIngestVersion) + "\n";
  const auto add = [&](const std::string& name, const auto& value) {
    if constexpr (std::is_convertible_v<decltype(value), std::string>) {
      text += name + " " + value + "\n";
    } else {
      text += name + " " + std::to_string(value) + "\n";
    }
  };
  const DatasetFacts facts = dataset.facts();
  add("layout", facts.layout);
  add("height", options.frame_height);
  add("width", options.frame_width);
  add("raw", options.encoding == FrameEncoding::kRaw);
  add("flow height", options.flow_height);
  add("flow width", options.flow_width);
  add("whole pixel flow", options.whole_pixel_flow);
  add("shard", options.shard_bytes);
  add("skip", options.on_error == OnError::kSkip);
  for (const int32_t identity : facts.split_identities) add("is split", identity);
  for (const auto& split : facts.test_identities) {
    for (const int32_t identity : split) add("tests", identity);
    add("split", 0);
  }
  for (const TrackletDescription& tracklet : dataset.tracklets()) {
    add("tracklet", tracklet.name + " " + std::to_string(tracklet.identity) + " " +
                        std::to_string(tracklet.camera) + " " + std::to_string(tracklet.sequence) +
                        " " + std::to_string(tracklet.frames) + " " +
                        std::to_string(tracklet.role));
  }
  return text;
}

// Name and digest of some sources; of one that cannot be read, what is left of that.
std::string source_digests(const DatasetReader& dataset, size_t first, size_t last,
                           OnError on_error) {
  std::string text;
  for (size_t i = first; i < last; ++i) {
    const fs::path file = dataset.source(i);
    std::string digest = "unreadable";
    try {
      digest = common::sha256_of_file(file);
    } catch (const InputError& failure) {
      if (on_error == OnError::kFail) {
        throw InputError(failure.object(), failure.problem(),
                         "put it right, or leave its tracklet out with --on-error skip");
      }
    } catch (const common::SystemError&) {
      if (on_error == OnError::kFail) throw;
    }
    text += file.filename().string() + " " + digest + "\n";
  }
  return text;
}

}  // namespace

std::string ingest_identity(const DatasetReader& dataset, const IngestOptions& options,
                            common::ProgressSink& progress) {
  constexpr size_t kFilesAtATime = 64;
  common::Sha256 hash;
  hash.update(settings_text(dataset, options));
  const size_t count = dataset.source_count();
  const auto end = [&](size_t block) { return std::min(count, (block + 1) * kFilesAtATime); };
  progress.begin("hashing sources", "files", static_cast<int64_t>(count));
  ordered_parallel((count + kFilesAtATime - 1) / kFilesAtATime, options.jobs,
                   [&](size_t block) {
                     return source_digests(dataset, block * kFilesAtATime, end(block),
                                           options.on_error);
                   },
                   [&](size_t block, const std::string& text) {
                     hash.update(text);
                     progress.advance(static_cast<int64_t>(end(block)));
                   });
  progress.end();
  return hash.finish();
}

}  // namespace muster::datastore
