#include "datastore/footage.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/error.h"
#include "datastore/box_files.h"
#include "datastore/crop_spool.h"
#include "datastore/footage_facts.h"
#include "datastore/synthetic_mark.h"
#include "datastore/track_tracklets.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

namespace {

class FootageReader : public DatasetReader {
 public:
  FootageReader(DatasetFacts facts, std::vector<FilmedTracklet> tracklets,
                std::unique_ptr<CropSpool> spool, std::vector<fs::path> sources,
                std::vector<LeftOut> left_out)
      : facts_(std::move(facts)),
        spool_(std::move(spool)),
        sources_(std::move(sources)),
        left_out_(std::move(left_out)) {
    for (FilmedTracklet& tracklet : tracklets) {
      descriptions_.push_back(std::move(tracklet.description));
      crops_.push_back(std::move(tracklet.crops));
    }
  }

  DatasetFacts facts() const override { return facts_; }
  const std::vector<TrackletDescription>& tracklets() const override { return descriptions_; }
  SourceFrame read_frame(size_t tracklet, int64_t frame) const override {
    MUSTER_REQUIRE(tracklet, <, crops_.size());
    MUSTER_REQUIRE(frame, >=, 0);
    MUSTER_REQUIRE(frame, <, descriptions_[tracklet].frames);
    return {spool_->read(crops_[tracklet][static_cast<size_t>(frame)]), {}};
  }
  std::vector<Joint> read_joints(size_t) const override { return {}; }
  size_t source_count() const override { return sources_.size(); }
  fs::path source(size_t index) const override { return sources_.at(index); }
  const std::vector<LeftOut>& left_out() const override { return left_out_; }

 private:
  const DatasetFacts facts_;
  std::vector<TrackletDescription> descriptions_;
  std::vector<std::vector<int64_t>> crops_;
  const std::unique_ptr<CropSpool> spool_;
  const std::vector<fs::path> sources_;
  const std::vector<LeftOut> left_out_;
};

class FootageOpener {
 public:
  FootageOpener(const Footage& footage, FaultList faults, const VideoOptions& options,
                common::ProgressSink& progress)
      : footage_(footage),
        options_(options),
        progress_(progress),
        faults_(std::move(faults)),
        spool_(std::make_unique<CropSpool>(options.frame_height, options.frame_width)),
        rule_(identity_rule(footage)) {}

  std::unique_ptr<DatasetReader> open() {
    if (footage_.films.size() > INT16_MAX) {
      throw InputError(footage_.root.string(), "holds more films than there are camera numbers");
    }
    if (rule_ == IdentityRule::kListed) read_identities();
    for (size_t film = 0; film < footage_.films.size(); ++film) add_film(film);
    if (rule_ == IdentityRule::kListed) {
      sources_.push_back(footage_.identities_file);
      note_unlisted();
    }
    if (tracklets_.empty()) {
      const bool alone = footage_.films.size() == 1;
      const fs::path& root = footage_.root;
      faults_.nothing_is_left((alone ? root / footage_.films[0].name : root).string(),
                              "gives no tracklets", progress_);
    }
    put_in_order(tracklets_);
    return std::make_unique<FootageReader>(facts(), std::move(tracklets_), std::move(spool_),
                                           std::move(sources_), faults_.left_out());
  }

 private:
  using ListedKey = std::pair<size_t, int32_t>;  // film, track

  void read_identities() {
    for (ListedTrack& listed : read_identities_file(footage_.identities_file, faults_)) {
      const auto film =
          std::find_if(footage_.films.begin(), footage_.films.end(),
                       [&](const Film& candidate) { return candidate.name == listed.video; });
      if (film == footage_.films.end()) {
        faults_.leave_out(listed.place, "names '" + listed.video + "', which is not there",
                          "the first column has names of files or folders beside this file");
        continue;
      }
      const ListedKey key(static_cast<size_t>(film - footage_.films.begin()), listed.track);
      listed_films_.insert(key.first);
      listed_.emplace(key, std::move(listed));
    }
  }

  // A film that cannot be used is left out as a whole, if it may be.
  void add_film(size_t index) {
    const Film& film = footage_.films[index];
    if (rule_ == IdentityRule::kListed && listed_films_.count(index) == 0) {
      ++unlisted_films_;
      return;
    }
    for (fs::path& source : sources_of(film)) sources_.push_back(std::move(source));
    if (film.fault) {
      faults_.leave_out((footage_.root / film.name).string(), *film.fault);
      return;
    }
    CutFilm cut;
    try {
      cut = cut_film(film, *spool_, faults_, options_, progress_);
    } catch (const InputError& failure) {
      faults_.leave_out((footage_.root / film.name).string(), failure);
      return;
    }
    frames_ += cut.frames;
    used_.push_back(&film);
    if (rule_ == IdentityRule::kListed) {
      add_listed(index, cut);
    } else {
      add_all(index, cut);
    }
  }

  // "hall.avi/person_7"; the film's name only where there are several.
  std::string name_of(size_t film, int32_t track) const {
    const std::string person = "person_" + std::to_string(track);
    return footage_.films.size() > 1 ? footage_.films[film].name + "/" + person : person;
  }

  void add_listed(size_t film, const CutFilm& cut) {
    std::set<int32_t> there;
    for (const CutTrack& track : cut.tracks) {
      const auto listed = listed_.find({film, track.number});
      if (listed == listed_.end()) {
        ++unlisted_tracks_;
        continue;
      }
      if (track.boxes.empty()) continue;
      there.insert(track.number);
      append_whole_track(
          track,
          {film, listed->second.identity, listed->second.camera, name_of(film, track.number)}, 1,
          tracklets_);
    }
    note_lost(film, there, cut.early_end);
  }

  // The rows that list tracks of this film that are not among those `there`.
  void note_lost(size_t film, const std::set<int32_t>& there, const std::string& early_end) {
    const std::string why = early_end.empty() ? "" : "; the film " + early_end;
    for (auto listed = listed_.lower_bound({film, 0});
         listed != listed_.end() && listed->first.first == film; ++listed) {
      if (there.count(listed->first.second) > 0) continue;
      faults_.leave_out(listed->second.place,
                        footage_.films[film].name + " has no track " +
                            std::to_string(listed->first.second) + " that can be used" + why,
                        "tracks are the numbers in the file of boxes, or those of the detector");
    }
  }

  void add_all(size_t film, const CutFilm& cut) {
    int64_t unused = 0, highest = 0;
    for (const CutTrack& track : cut.tracks) {
      highest = std::max<int64_t>(highest, track.number);
      const int64_t identity = identity_offset_ + track.number;
      if (identity > INT32_MAX) {
        throw InputError(footage_.root.string(),
                         "has track numbers beyond " + std::to_string(INT32_MAX) + " in sum",
                         "number the tracks of each film from 1");
      }
      const TrackOwner owner{film, static_cast<int32_t>(identity), static_cast<int16_t>(film + 1),
                             name_of(film, track.number)};
      const size_t before = tracklets_.size();
      if (rule_ == IdentityRule::kHalvesOfTracks) {
        append_track_halves(track, owner, options_.minimum_frames, options_.gap_frames, tracklets_);
      } else {
        append_whole_track(track, owner, options_.minimum_frames, tracklets_);
      }
      if (tracklets_.size() == before) ++unused;
    }
    identity_offset_ += highest;
    if (unused == 0) return;
    progress_.note(std::to_string(unused) + " of " + std::to_string(cut.tracks.size()) +
                   " tracks of " + footage_.films[film].name +
                   " are too short and not used: " + shortest_use());
  }

  std::string shortest_use() const {
    const std::string piece = std::to_string(options_.minimum_frames) + " unbroken frames";
    return rule_ == IdentityRule::kHalvesOfTracks ? "each half needs " + piece
                                                  : "a tracklet needs " + piece;
  }

  void note_unlisted() {
    if (unlisted_tracks_ == 0 && unlisted_films_ == 0) return;
    progress_.note(footage_.identities_file.filename().string() + " does not list " +
                   std::to_string(unlisted_tracks_) + " tracks and " +
                   std::to_string(unlisted_films_) + " whole films; they are not used");
  }

  DatasetFacts facts() const {
    DatasetFacts facts = footage_facts(footage_, used_, rule_, frames_);
    DatasetFacts mark;
    read_synthetic_mark(footage_.root, mark);
    facts.synthetic = mark.synthetic;
    if (!mark.origin.empty()) facts.origin = mark.origin + ". " + facts.origin;
    return facts;
  }

  const Footage& footage_;
  const VideoOptions& options_;
  common::ProgressSink& progress_;
  FaultList faults_;
  std::unique_ptr<CropSpool> spool_;
  const IdentityRule rule_;
  std::map<ListedKey, ListedTrack> listed_;
  std::set<size_t> listed_films_;
  int64_t unlisted_films_ = 0, unlisted_tracks_ = 0;
  int64_t identity_offset_ = 0;
  int64_t frames_ = 0;  // decoded of the films in use
  std::vector<const Film*> used_;
  std::vector<FilmedTracklet> tracklets_;
  std::vector<fs::path> sources_;
};

}  // namespace

std::unique_ptr<DatasetReader> open_footage(const Footage& footage, FaultList faults,
                                            const VideoOptions& options,
                                            common::ProgressSink& progress) {
  MUSTER_REQUIRE(options.minimum_frames, >=, 1);
  MUSTER_REQUIRE(options.gap_frames, >=, 0);
  MUSTER_REQUIRE(options.detection_interval_frames, >=, 1);
  MUSTER_REQUIRE(std::min(options.frame_height, options.frame_width), >=, 1);
  return FootageOpener(footage, std::move(faults), options, progress).open();
}

}  // namespace muster::datastore
