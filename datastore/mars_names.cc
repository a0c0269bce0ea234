#include "datastore/mars_names.h"

#include <algorithm>
#include <cctype>

#include "common/atomic_file.h"
#include "common/error.h"
#include "datastore/file_names.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr char kNameForm[] = "is no name of MARS, such as 0001C1T0002F003.jpg";

void add_listed_names(const fs::path& list, PackedNames& names) {
  const std::string text = common::read_file(list);
  size_t line = 1;
  for (size_t begin = 0; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view name = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0) {
      name.remove_suffix(1);
    }
    if (name.empty() && begin >= text.size()) break;
    if (!mars_name(name)) {
      throw common::InputError(
          list.string(),
          "line " + std::to_string(line) + ": '" + std::string(name.substr(0, 80)) + "' " +
              kNameForm,
          "fetch the list again, or remove it and it is made from the folders");
    }
    names.add(name);
  }
}

void add_walked_names(const fs::path& folder, PackedNames& names, FaultList& faults) {
  for (const fs::path& person : sorted_folders(folder)) {
    for (const std::string& name : sorted_pictures(person)) {
      if (mars_name(name) && name.compare(0, kMarsLabelLength, person.filename().string()) == 0) {
        names.add(name);
      } else if (mars_name(name)) {
        faults.leave_out((person / name).string(), "lies in another person's folder",
                         "move the picture where it belongs");
      } else {
        faults.leave_out((person / name).string(), kNameForm, "remove or rename the picture");
      }
    }
  }
}

}  // namespace

std::optional<MarsName> mars_name(std::string_view name) {
  // Fixed places, as in the dataset's own scripts: 0 identity, 5 camera, 7 tracklet, 12 frame.
  constexpr size_t kFrameBegin = 12;
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot <= kFrameBegin || dot > kFrameBegin + 6) return {};
  if (name[4] != 'C' || name[6] != 'T' || name[11] != 'F') return {};
  if (!is_picture_name(std::string(name))) return {};
  const std::string_view label = name.substr(0, kMarsLabelLength);
  const auto identity = label == "00-1" ? -1 : digits_value(label);
  const auto camera = digits_value(name.substr(5, 1)), tracklet = digits_value(name.substr(7, 4));
  const auto frame = digits_value(name.substr(kFrameBegin, dot - kFrameBegin));
  if (!identity || !camera || *camera < 1 || !tracklet || !frame) return {};
  return MarsName{*identity, static_cast<int16_t>(*camera), *tracklet};
}

void add_mars_names(const fs::path& root, const std::string& part, PackedNames& names,
                    FaultList& faults, common::ProgressSink& progress) {
  const fs::path list = root / "info" / (part + "_name.txt");
  std::error_code ignored;
  if (fs::exists(list, ignored)) return add_listed_names(list, names);
  const size_t before = names.size();
  add_walked_names(root / ("bbox_" + part), names, faults);
  progress.note(list.string() + " is missing; its " + std::to_string(names.size() - before) +
                " names were taken from bbox_" + part);
}

}  // namespace muster::datastore
