#include "trainer/feature_extraction.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/atomic_file.h"
#include "common/canonical_message.h"
#include "common/error.h"
#include "common/sha256.h"
#include "common/version.h"
#include "datastore/clip_loader.h"
#include "datastore/ordered_parallel.h"
#include "datastore/protocol.h"
#include "models/initialisation.h"
#include "models/model_catalog.h"
#include "models/safetensors.h"
#include "models/weight_loading.h"
#include "trainer/batch_settings.h"
#include "trainer/clip_tensors.h"
#include "trainer/input_recipe.h"
#include "trainer/rank_tensors.h"
#include "trainer/scoring.h"

namespace muster::trainer {
namespace fs = std::filesystem;

namespace {

using datastore::ClipFormat;
using datastore::ClipWindow;
using datastore::StoredTracklet;
using datastore::TrackletStore;

// What every tracklet is seen through: each crop, and its mirror if that is asked for.
std::vector<ClipWindow> windows_of(const proto::Extraction& settings, const ClipFormat& format) {
  constexpr int kMaxCrops = 8;
  if (settings.crops() < 1 || settings.crops() > kMaxCrops) {
    throw common::InputError("extraction.crops",
                             std::to_string(settings.crops()) + " is not in 1 to 8");
  }
  if (settings.max_frames() < 1) {
    throw common::InputError("extraction.max_frames",
                             std::to_string(settings.max_frames()) + " is not positive");
  }
  for (const auto& [field, frames] : {std::pair<const char*, int>("probe", settings.probe_frames()),
                                      {"gallery", settings.gallery_frames()}}) {
    if (frames >= 0) continue;
    throw common::InputError("extraction." + std::string(field) + "_frames",
                             std::to_string(frames) + " is negative");
  }
  std::vector<ClipWindow> windows;
  for (int crop = 1; crop <= settings.crops(); ++crop) {
    const auto offset = [&](int slack) {
      return settings.crops() == 1 ? slack / 2 : slack * crop / settings.crops();
    };
    const int y = offset(format.resize_height - format.crop_height);
    const int x = offset(format.resize_width - format.crop_width);
    windows.push_back({y, x, false});
    if (settings.flip()) windows.push_back({y, x, true});
  }
  return windows;
}

datastore::FrameChoice choice_of(proto::TestFrames frames, int32_t role) {
  using datastore::FrameChoice;
  switch (frames) {
    case proto::LAST_FRAMES:
      return FrameChoice::kLast;
    case proto::SPREAD_FRAMES:
      return FrameChoice::kEvenlySpaced;
    case proto::GALLERY_LAST_FRAMES:
      return (role & datastore::kRoleQuery) != 0 ? FrameChoice::kFirst : FrameChoice::kLast;
    case proto::ALL_FRAMES:
      return FrameChoice::kAll;
    case proto::FIRST_FRAMES:
      break;
  }
  return FrameChoice::kFirst;
}

// Of a tracklet that is query and gallery too, as in MARS, the query's.
int most_frames(const proto::Extraction& settings, int32_t role) {
  const bool probe = (role & datastore::kRoleQuery) != 0;
  const int own = probe ? settings.probe_frames() : settings.gallery_frames();
  return own > 0 ? own : settings.max_frames();
}

// Which frames stand for a tracklet of that role: all of a short one, again and again with
// fixed_length.
std::vector<int32_t> test_frames(const proto::Extraction& settings, int length, int32_t role) {
  common::KeyedRandom no_chance(0);
  using datastore::ShortTracklet;
  return datastore::choose_frames(
      choice_of(settings.frames(), role),
      settings.fixed_length() ? ShortTracklet::kStartOver : ShortTracklet::kShorterClip, length,
      most_frames(settings, role), no_chance);
}

std::map<std::string, std::string> provenance_of(const ExtractionRequest& request,
                                                 const TrackletStore& store) {
  const std::string hash = datastore::manifest_hash(request.store_directory);
  const auto resolved = [&](const std::string& protocol) {
    return protocol.empty() ? datastore::default_protocol(store.manifest().facts.layout) : protocol;
  };
  std::map<std::string, std::string> facts = {
      {"method", models::model_entry(request.run.experiment.model()).name},
      {"train_store", request.run.facts.train_store},
      {"test_store", request.store_name},
      {"train_synthetic", request.run.facts.synthetic ? "true" : "false"},
      {"test_synthetic", store.manifest().facts.synthetic ? "true" : "false"},
      {"train_store_sha256", request.run.facts.store_hash},
      {"test_store_sha256", hash},
      {"checkpoint", request.run.weights.string()},
      {"checkpoint_sha256", common::sha256_of_file(request.run.weights)},
      {"split", std::to_string(request.run.experiment.data().split())},
      {"protocol", resolved(request.protocol)},
      {"extraction", common::canonical_text(request.extraction)},
      {"metric", metric_name(request.run.experiment.scoring().metric())},
      {"commit", common::commit()}};
  // data.protocol speaks of the training's own store alone.
  if (is_own_store(request.run, request.store_name, hash)) {
    facts["training_protocol"] = resolved(request.run.experiment.data().protocol());
  }
  return facts;
}

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

// What the tracklets of one request share. Its functions may run in several threads.
class Extractor {
 public:
  explicit Extractor(const ExtractionRequest& request)
      : request_(request),
        model_(load_model(request.run)),
        format_(clip_format(model_->input_format(), request.run.experiment.model().input())),
        store_(request.store_directory, joint_source(request.run.experiment.data(), format_)),
        windows_(windows_of(request.extraction, format_)),
        occlusion_(occlusion_options(request.run.experiment.data())),
        roles_(roles_of(request, store_)),
        communicator_(create_single_communicator()),
        statistics_(*communicator_) {
    datastore::require_readable(store_, format_);
    for (size_t row = 0; row < roles_.size(); ++row) {
      if ((roles_[row] & request.roles) != 0) wanted_.push_back(row);
    }
    if (wanted_.empty()) {
      throw common::InputError(request.store_directory.string(),
                               "has no tracklet of the wanted roles under this protocol");
    }
  }

  // All rows, without tensors.
  FeatureTable empty_table() const {
    FeatureTable table;
    table.rows = static_cast<int64_t>(wanted_.size());
    table.variants = static_cast<int64_t>(windows_.size());
    table.facts = provenance_of(request_, store_);
    for (const size_t row : wanted_) {
      table.identity.push_back(store_.tracklets()[row].identity);
      table.camera.push_back(store_.tracklets()[row].camera);
      table.role.push_back(roles_[row]);
    }
    return table;
  }

  // Of wanted tracklet `i`, each tensor [windows, ...].
  models::Signature signature(size_t i) const {
    const at::NoGradGuard no_gradients;
    const StoredTracklet& tracklet = store_.tracklets()[wanted_[i]];
    const std::vector<int32_t> frames =
        test_frames(request_.extraction, tracklet.length, roles_[wanted_[i]]);
    models::ForwardContext context;
    context.statistics = &statistics_;
    const TrackletInput made = tracklet_input(wanted_[i], frames);
    const auto windows = static_cast<int64_t>(windows_.size());
    const auto length = static_cast<int64_t>(frames.size());
    models::ModelInput input = model_input(made.values, windows, length, format_, at::kFloat);
    if (format_.joints) input.joints = joint_tensor(made.joints, windows, length, at::kFloat);
    models::Signature signature;
    for (const auto& [name, value] : model_->forward(input, context).signature) {
      if (model_->scores(name)) signature[name] = value.contiguous();
    }
    MUSTER_REQUIRE(signature.empty(), ==, false);
    return signature;
  }

 private:
  static std::vector<int32_t> roles_of(const ExtractionRequest& request,
                                       const TrackletStore& store) {
    const proto::Data& data = request.run.experiment.data();
    return datastore::assign_roles(store, {request.protocol, data.split(), data.split_seed()});
  }

  // One tracklet through every window.
  struct TrackletInput {
    std::vector<float> values;             // [windows, frames, channels, height, width]
    std::vector<datastore::Joint> joints;  // [windows, frames, kJointCount], if the format has them
  };

  // `row`: its row in the store.
  TrackletInput tracklet_input(size_t row, const std::vector<int32_t>& frames) const {
    const datastore::StoredClip clip =
        datastore::read_clip(store_, store_.tracklets()[row], frames, format_.flow, format_.joints);
    const std::vector<datastore::PixelBox> boxes = datastore::occlusion_boxes(
        occlusion_, static_cast<int32_t>(row), frames, clip.height, clip.width);
    TrackletInput input;
    input.values.resize(windows_.size() * frames.size() * static_cast<size_t>(format_.channels()) *
                        format_.crop_height * format_.crop_width);
    datastore::cut_windows(clip.view(), format_, boxes, windows_, input.values.data());
    if (!format_.joints) return input;
    const size_t clip_joints = frames.size() * datastore::kJointCount;
    input.joints.resize(windows_.size() * clip_joints);
    for (size_t i = 0; i < windows_.size(); ++i) {
      const ClipWindow& window = windows_[i];
      datastore::apply_joint_transform(clip.view(), format_,
                                       {window.crop_y, window.crop_x, window.flip},
                                       input.joints.data() + i * clip_joints);
    }
    return input;
  }

  const ExtractionRequest& request_;
  const std::unique_ptr<models::Model> model_;
  const ClipFormat format_;
  const TrackletStore store_;
  const std::vector<ClipWindow> windows_;
  const datastore::OcclusionOptions occlusion_;
  const std::vector<int32_t> roles_;  // of every tracklet of the store
  std::vector<size_t> wanted_;        // rows in the store
  const std::unique_ptr<Communicator> communicator_;
  mutable CommunicatorStatisticsExchange statistics_;
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
void for_signatures(const Extractor& extractor, int64_t rows, int64_t first, int64_t step,
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
void write_share(const Extractor& extractor, const ExtractionRequest& request, int64_t first,
                 int64_t step, const fs::path& path, common::ProgressSink& progress,
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
  const Extractor extractor(request);
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
  const Extractor extractor(request);
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
