#include "datastore/protocol.h"

#include "common/error.h"
#include "datastore/mars_roles.h"
#include "datastore/two_camera_facts.h"
#include "datastore/two_camera_roles.h"

namespace muster::datastore {
namespace {

using common::InputError;
using Roles = std::vector<int32_t>;

constexpr PersonFilter kAnyPerson;
constexpr PersonFilter kPridLong{kPridFewestFrames};
constexpr PersonFilter kPridMiddle{21};
constexpr PersonFilter kPridCommon{1, kPridCommonPersons};

const ScoringRules kMarsOfficial{AveragePrecision::kTrapezoid, GalleryRule::kWithQueries,
                                 UnmatchedQueries::kMissed};
const ScoringRules kMarsTorchreid{AveragePrecision::kRectangle, GalleryRule::kWithoutQueries,
                                  UnmatchedQueries::kSkipped};

Roles own_halves_or_seeded(const TrackletStore& store, const ProtocolOptions& options,
                           const PersonFilter& filter) {
  return has_official_halves(store) ? official_half_roles(store, options)
                                    : seeded_half_roles(store, options, filter);
}

Roles random_half(const TrackletStore& store, const ProtocolOptions& options) {
  return seeded_half_roles(store, options);
}

Roles all_test(const TrackletStore& store, const ProtocolOptions&) { return all_test_roles(store); }

Roles prid2011(const TrackletStore& store, const ProtocolOptions& options) {
  return own_halves_or_seeded(store, options, kPridLong);
}

Roles prid2011_21_frames(const TrackletStore& store, const ProtocolOptions& options) {
  return seeded_half_roles(store, options, kPridMiddle, OddPerson::kTrains);
}

Roles prid2011_all_200(const TrackletStore& store, const ProtocolOptions& options) {
  return seeded_half_roles(store, options, kPridCommon);
}

Roles ilids_vid(const TrackletStore& store, const ProtocolOptions& options) {
  return own_halves_or_seeded(store, options, kAnyPerson);
}

}  // namespace

const std::vector<Protocol>& protocol_catalog() {
  static const std::vector<Protocol> catalog = {
      {"random-half", "seeded halves of the persons in cameras 1 and 2", {}, "", random_half},
      {"official-half", "the dataset's own halves", {}, "", official_half_roles},
      {"all-test", "every person in two cameras or more tests", {}, "", all_test},
      {"prid2011", "PRID-2011: own halves, or seeded ones at 27 frames or more", {}, "", prid2011},
      {"prid2011-21-frames",
       "PRID-2011: seeded halves at 21 frames or more",
       {},
       "",
       prid2011_21_frames},
      {"prid2011-all-200",
       "PRID-2011: seeded halves of persons 1 to 200",
       {},
       "",
       prid2011_all_200},
      {"ilids-vid", "iLIDS-VID: own halves, or seeded ones", {}, "", ilids_vid},
      {"sdu-vid", "SDU-VID: seeded halves", {}, "", random_half},
      {"mars", "MARS as its authors evaluate it", kMarsOfficial, "", mars_roles},
      {"mars-torchreid", "MARS as Torchreid evaluates it", kMarsTorchreid, "mars",
       mars_torchreid_roles},
      {"mars-two-camera",
       "MARS: two cameras and a tracklet of each drawn per person",
       {},
       "",
       mars_two_camera_roles},
  };
  return catalog;
}

std::vector<std::string> protocol_names() {
  std::vector<std::string> names;
  for (const Protocol& protocol : protocol_catalog()) names.push_back(protocol.name);
  return names;
}

const Protocol& find_protocol(const std::string& name) {
  std::string known;
  for (const Protocol& protocol : protocol_catalog()) {
    if (protocol.name == name) return protocol;
    known += (known.empty() ? "known: " : ", ") + protocol.name;
  }
  throw InputError("protocol '" + name + "'", "is not known", known);
}

std::string default_protocol(const std::string& layout) {
  if (layout == "video" || layout == "mot") return "all-test";
  for (const char* name : {"prid2011", "ilids-vid", "sdu-vid", "mars"}) {
    if (layout == name) return name;
  }
  return "random-half";
}

std::vector<int32_t> assign_roles(const TrackletStore& store, const ProtocolOptions& options) {
  const Protocol& protocol = find_protocol(
      options.name.empty() ? default_protocol(store.manifest().facts.layout) : options.name);
  if (options.split < 0 || options.split >= kOfficialSplits) {
    throw InputError("data.split", std::to_string(options.split) + " is not in 0 to " +
                                       std::to_string(kOfficialSplits - 1));
  }
  return protocol.assign(store, options);
}

}  // namespace muster::datastore
