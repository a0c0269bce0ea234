#include "datastore/footage_facts.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace muster::datastore {
namespace {

// How the boxes of the films came about, each way once.
std::string ways(const std::vector<const Film*>& films) {
  static const std::map<BoxOrigin, std::string> phrases = {
      {BoxOrigin::kDetector, "found and tracked"},
      {BoxOrigin::kBoxFile, "boxed by file (*.boxes.csv)"},
      {BoxOrigin::kMotTruth, "annotated (gt.txt)"},
      {BoxOrigin::kMotDetections, "detected by file (det.txt) and tracked"}};
  std::set<BoxOrigin> origins;
  for (const Film* film : films) origins.insert(film->origin);
  std::string text;
  for (const BoxOrigin origin : origins) text += (text.empty() ? "" : " or ") + phrases.at(origin);
  return text;
}

std::string who_is_who(const Footage& footage, const std::vector<const Film*>& films,
                       IdentityRule rule) {
  if (rule == IdentityRule::kListed) {
    return "identities and cameras are those of " + footage.identities_file.filename().string();
  }
  const bool annotated = std::all_of(films.begin(), films.end(), [](const Film* film) {
    return film->origin == BoxOrigin::kMotTruth;
  });
  const std::string identities = annotated ? "identities are annotated tracks; "
                                           : "identities are tracks, not labelled people; ";
  return identities + (rule == IdentityRule::kHalvesOfTracks
                           ? "camera 1 is a track's early half, camera 2 its late half"
                           : "each film is a camera, and nobody is known to be in two");
}

}  // namespace

IdentityRule identity_rule(const Footage& footage) {
  if (!footage.identities_file.empty()) return IdentityRule::kListed;
  return footage.films.size() == 1 ? IdentityRule::kHalvesOfTracks : IdentityRule::kFilmsAreCameras;
}

DatasetFacts footage_facts(const Footage& footage, const std::vector<const Film*>& used,
                           IdentityRule rule, int64_t frames) {
  DatasetFacts facts;
  facts.layout = footage.layout;
  const std::string where =
      used.size() == 1 ? used.front()->name : std::to_string(used.size()) + " films";
  facts.origin = "People " + ways(used) + " in " + where + " (" + std::to_string(frames) +
                 " frames): " + who_is_who(footage, used, rule) + ".";
  return facts;
}

}  // namespace muster::datastore
