#include "trainer/feature_extraction.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/sha256.h"
#include "datastore/ordered_parallel.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"
#include "trainer/tracklet_extractor.h"

namespace muster::trainer {
namespace fs = std::filesystem;

namespace {

// A name beside a file, and what stands there as long as this lives.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& beside) : path_(common::temporary_name_beside(beside)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

}  // namespace

std::unique_ptr<models::Model> load_model(const FinishedRun& run) {
  const models::WithoutInitialValues all_come_from_the_file;
  auto model = models::model_entry(run.experiment.model())
                   .create(run.experiment.model(), run.facts.identities, 0);
  models::load_weights(models::weights_of(*model), models::read_safetensors(run.weights).tensors,
                       models::Loading::kStrict, run.weights.string());
  return model;
}

void require_features_of_run(const FeatureTable& table, const FinishedRun& run) {
  const auto made_by = table.facts.find("checkpoint_sha256");
  if (made_by == table.facts.end() || made_by->second == common::sha256_of_file(run.weights)) {
    return;
  }
  throw common::InputError(table.name,
                           "was extracted with other weights than those of " + run.weights.string(),
                           "name the run that made it, or extract again");
}

namespace {

// The shapes of the tensors, from the first row.
void set_shapes(const models::Signature& signature, FeatureTable& table) {
  for (const auto& [name, value] : signature) {
    if (name == "features") {
      table.features = value.size(1);
    } else {
      table.further[name].shape = value.sizes().slice(1).vec();
    }
  }
}

// Calls take(signature) for the wanted tracklets first, first + step, ... in order.
template <typename Take>
void for_signatures(const TrackletExtractor& extractor, int64_t rows, int64_t first, int64_t step,
                    const ExtractionRequest& request, common::ProgressSink& progress,
                    const Take& take) {
  progress.begin("extracting " + request.store_name, "tracklets", rows);
  const int64_t count = first < rows ? (rows - first + step - 1) / step : 0;
  // Whole tracklets side by side, one core each: these networks are too small to share one
  // tracklet.
  datastore::ordered_parallel(
      static_cast<size_t>(count), request.threads,
      [&](size_t i) {
        return extractor.signature(static_cast<size_t>(first) + i * static_cast<size_t>(step));
      },
      [&](size_t i, const models::Signature& signature) {
        take(signature);
        progress.advance(std::min(rows, (static_cast<int64_t>(i) + 1) * step));
      });
  progress.end();
}

// Rows first, first + step, ... of `table`, as a feature file; `table` learns its shapes. Nothing
// is written where there are no such rows.
void write_share(const TrackletExtractor& extractor, const ExtractionRequest& request,
                 int64_t first, int64_t step, const fs::path& path, common::ProgressSink& progress,
                 FeatureTable& table) {
  FeatureTable share = table;
  share.identity.clear();
  share.camera.clear();
  share.role.clear();
  for (int64_t row = first; row < table.rows; row += step) {
    const auto index = static_cast<size_t>(row);
    share.identity.push_back(table.identity[index]);
    share.camera.push_back(table.camera[index]);
    share.role.push_back(table.role[index]);
  }
  share.rows = static_cast<int64_t>(share.identity.size());
  std::unique_ptr<FeatureFileWriter> writer;
  for_signatures(extractor, table.rows, first, step, request, progress,
                 [&](const models::Signature& signature) {
                   if (!writer) {
                     set_shapes(signature, share);
                     writer = std::make_unique<FeatureFileWriter>(path, share);
                   }
                   for (const auto& [name, value] : signature) {
                     writer->append(name, 1, value.data_ptr<float>());
                   }
                 });
  if (!writer) return;
  writer->finish(share);
  table.features = share.features;
  table.further = share.further;
}

// Every rank's, in the order of ranks.
std::vector<fs::path> gathered_paths(const fs::path& own, Communicator& communicator) {
  constexpr size_t kLongest = 4096;
  const auto ranks = static_cast<size_t>(communicator.size());
  std::string text = own.string();
  MUSTER_REQUIRE(text.size(), <, kLongest);
  text.resize(kLongest);
  std::string all(kLongest * ranks, '\0');
  communicator.all_gather(text.data(), all.data(),
                          std::vector<int64_t>(ranks, static_cast<int64_t>(kLongest)),
                          ElementType::kByte);
  std::vector<fs::path> paths;
  for (size_t rank = 0; rank < ranks; ++rank) paths.emplace_back(all.data() + rank * kLongest);
  return paths;
}

// Row i of the whole is row i / shares of share i % shares.
void join_shares(const std::vector<fs::path>& paths, const FeatureTable& table,
                 const fs::path& path) {
  constexpr int64_t kBytesAtOnce = int64_t{64} << 20;
  const auto shares = static_cast<int64_t>(paths.size());
  std::vector<FeatureTable> parts;
  for (int64_t rank = 0; rank < std::min(shares, table.rows); ++rank) {
    parts.push_back(open_feature_file(paths[static_cast<size_t>(rank)]));
  }
  FeatureFileWriter writer(path, table);
  for (const std::string& tensor : table.tensors()) {
    const int64_t size = table.row_size(tensor);
    const int64_t bytes = size * static_cast<int64_t>(sizeof(float));
    const int64_t at_once = std::max<int64_t>(1, kBytesAtOnce / (bytes * shares)) * shares;
    std::vector<float> rows, part;
    for (int64_t first = 0; first < table.rows; first += at_once) {
      const int64_t count = std::min(at_once, table.rows - first);
      rows.resize(static_cast<size_t>(count * size));
      for (int64_t rank = 0; rank < std::min(shares, count); ++rank) {
        std::vector<int64_t> wanted;
        for (int64_t row = first + rank; row < first + count; row += shares) {
          wanted.push_back(row / shares);
        }
        part.resize(wanted.size() * static_cast<size_t>(size));
        copy_rows(parts[static_cast<size_t>(rank)], tensor, wanted, part.data());
        for (size_t i = 0; i < wanted.size(); ++i) {
          const int64_t to = rank + static_cast<int64_t>(i) * shares;
          std::copy_n(part.begin() + static_cast<int64_t>(i) * size, size,
                      rows.begin() + to * size);
        }
      }
      writer.append(tensor, count, rows.data());
    }
  }
  writer.finish(table);
}

}  // namespace

FeatureTable extract_features(const ExtractionRequest& request, common::ProgressSink& progress) {
  models::require_distance(request.run.experiment.model());
  const TrackletExtractor extractor(request);
  FeatureTable table = extractor.empty_table();
  for_signatures(extractor, table.rows, 0, 1, request, progress,
                 [&](const models::Signature& signature) {
                   if (table.tensors().empty()) set_shapes(signature, table);
                   for (const auto& [name, value] : signature) {
                     std::vector<float>& values =
                         name == "features" ? table.values : table.further.at(name).values;
                     values.insert(values.end(), value.data_ptr<float>(),
                                   value.data_ptr<float>() + value.numel());
                   }
                 });
  return table;
}

FeatureTable extract_to_file(const ExtractionRequest& request, const fs::path& path,
                             Communicator& communicator, common::ProgressSink& progress) {
  models::require_distance(request.run.experiment.model());
  const TrackletExtractor extractor(request);
  FeatureTable table = extractor.empty_table();
  if (communicator.size() == 1) {
    common::write_aside(path, [&](const fs::path& file) {
      write_share(extractor, request, 0, 1, file, progress, table);
    });
    return table;
  }
  const TemporaryFile share(path);
  write_share(extractor, request, communicator.rank(), communicator.size(), share.path(), progress,
              table);
  // Every share is whole when its name arrives.
  const std::vector<fs::path> shares = gathered_paths(share.path(), communicator);
  if (communicator.rank() == 0) {
    common::write_aside(path, [&](const fs::path& file) { join_shares(shares, table, file); });
  }
  communicator.barrier();
  return table;
}

}  // namespace muster::trainer
