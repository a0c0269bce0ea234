#include "models/safetensors.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::models {
using common::InputError;
using nlohmann::json;

namespace {

constexpr uint64_t kLongestHeader = 100'000'000;  // bytes, as the format's own reader
constexpr int kDeepestNesting = 8;                // the format needs 3
constexpr size_t kMostAxes = 64;                  // as torch
constexpr size_t kPrintedName = 128, kPrintedType = 32, kPrintedFailure = 256;  // bytes at most

const std::vector<std::pair<std::string, at::ScalarType>>& type_names() {
  static const std::vector<std::pair<std::string, at::ScalarType>> names = {
      {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
      {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
      {"U8", at::kByte},    {"BOOL", at::kBool}};
  return names;
}

std::string name_of(at::ScalarType type) {
  for (const auto& [name, value] : type_names()) {
    if (value == type) return name;
  }
  throw InputError(at::toString(type), "cannot be stored in safetensors");
}

// At most so many bytes and whole UTF-8 characters, as what is cut off continues with "...".
std::string shortened(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  const auto continues = [&](size_t at) {
    return (static_cast<unsigned char>(text[at]) & 0xC0u) == 0x80u;
  };
  while (most > 0 && continues(most)) --most;
  return text.substr(0, most) + "...";
}

[[noreturn]] void refuse(const std::string& path, const std::string& name,
                         const std::string& problem, const std::string& remedy = "") {
  throw InputError(path, "tensor '" + shortened(name, kPrintedName) + "' " + problem, remedy);
}

// A member of a tensor's entry; nothing of a header is believed.
const json& member(const json& entry, const char* key, const std::string& name,
                   const std::string& path) {
  if (!entry.is_object() || !entry.contains(key)) {
    refuse(path, name, std::string("has no '") + key + "'");
  }
  return entry.at(key);
}

at::ScalarType type_of(const json& entry, const std::string& name, const std::string& path) {
  const json& type = member(entry, "dtype", name, path);
  for (const auto& [known, value] : type_names()) {
    if (type == known) return value;
  }
  if (!type.is_string()) refuse(path, name, "has a 'dtype' that is no name");
  refuse(path, name,
         "has the unknown type \"" + shortened(type.get<std::string>(), kPrintedType) + "\"");
}

// A list of whole numbers from 0 to 2^63 - 1.
std::vector<uint64_t> whole_numbers(const json& entry, const char* key, const std::string& name,
                                    const std::string& path) {
  const json& list = member(entry, key, name, path);
  const auto whole = [](const json& item) {
    return item.is_number_unsigned() && item.get<uint64_t>() <= INT64_MAX;
  };
  if (!list.is_array() || !std::all_of(list.begin(), list.end(), whole)) {
    refuse(path, name, std::string("has a '") + key + "' that is no list of whole numbers");
  }
  return list.get<std::vector<uint64_t>>();
}

struct Place {
  uint64_t begin, end;  // bytes of the data
  std::string name;
};

Place place_of(const json& entry, const std::string& name, const std::string& path) {
  const std::vector<uint64_t> offsets = whole_numbers(entry, "data_offsets", name, path);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    refuse(path, name, "has 'data_offsets' that are not a begin and an end");
  }
  return {offsets[0], offsets[1], name};
}

at::Tensor tensor_from(const json& entry, const char* data, uint64_t data_bytes,
                       const std::string& name, const std::string& path) {
  const at::ScalarType type = type_of(entry, name, path);
  const std::vector<uint64_t> shape = whole_numbers(entry, "shape", name, path);
  if (shape.size() > kMostAxes) refuse(path, name, "has more than 64 axes");
  const Place place = place_of(entry, name, path);
  uint64_t bytes = at::elementSize(type);
  const bool empty = std::find(shape.begin(), shape.end(), 0u) != shape.end();
  // The other axes of an empty tensor hold nothing, but torch multiplies them too.
  const uint64_t most = empty ? INT64_MAX : data_bytes;
  for (const uint64_t size : shape) {
    if (size > 0 && bytes > most / size) refuse(path, name, "is larger than the file");
    if (size > 0) bytes *= size;
  }
  if (empty) bytes = 0;
  if (place.end > data_bytes || place.end - place.begin != bytes) {
    refuse(path, name, "does not fit its place in the file",
           "the file is truncated or damaged; fetch it again");
  }
  const std::vector<int64_t> sizes(shape.begin(), shape.end());
  at::Tensor tensor = at::empty(sizes, at::TensorOptions(type));
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data + place.begin, bytes);
  return tensor;
}

// Every byte of the data belongs to exactly one tensor.
void require_exact_cover(std::vector<Place> places, uint64_t data_bytes, const std::string& path) {
  std::sort(places.begin(), places.end(), [](const Place& one, const Place& other) {
    return std::tie(one.begin, one.end) < std::tie(other.begin, other.end);
  });
  uint64_t covered = 0;
  std::string before = "the header";
  for (const Place& place : places) {
    if (place.begin < covered) {
      refuse(path, place.name, "overlaps '" + shortened(before, kPrintedName) + "'");
    }
    if (place.begin > covered) {
      refuse(path, place.name, "leaves a gap behind '" + shortened(before, kPrintedName) + "'");
    }
    covered = place.end;
    before = place.name;
  }
  if (covered != data_bytes) {
    throw InputError(path,
                     "holds " + std::to_string(data_bytes) + " bytes of data, its tensors " +
                         std::to_string(covered),
                     "the file is truncated or damaged; fetch it again");
  }
}

// Looks at a header before it is believed: of names that come twice a parser would quietly take the
// last, and what works on nested values recurses. (nlohmann's own parser with a callback takes
// quadratic time.)
class HeaderCheck : public nlohmann::json_sax<json> {
 public:
  explicit HeaderCheck(std::string path) : path_(std::move(path)) {}
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (depth_ == 1) {
      if (!names_.insert(name).second) refuse(path_, name, "comes twice");
      entry_ = name;
      members_.clear();
    } else if (depth_ == 2 && !members_.insert(name).second) {
      refuse(path_, entry_, "has '" + shortened(name, kPrintedName) + "' twice");
    }
    return true;
  }
  // The parser that follows tells what is wrong.
  bool parse_error(size_t, const std::string&, const json::exception&) override { return false; }

 private:
  bool open() {
    if (++depth_ <= kDeepestNesting) return true;
    throw InputError(path_, "has a damaged header: it is nested more than " +
                                std::to_string(kDeepestNesting) + " deep");
  }
  bool close() {
    --depth_;
    return true;
  }

  const std::string path_;
  std::set<std::string> names_, members_;  // of the header; of its last entry
  std::string entry_;
  int depth_ = 0;
};

json parsed_header(const char* begin, const char* end, const std::string& path) {
  HeaderCheck check(path);
  json::sax_parse(begin, end, &check);
  const json header = json::parse(begin, end);
  if (!header.is_object()) throw InputError(path, "has a header that is no object");
  return header;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::map<std::string, at::Tensor> sorted;
  for (const auto& [name, value] : tensors) {
    sorted[name] = value.detach().to(at::kCPU).contiguous();
  }
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [name, value] : sorted) {
    const uint64_t bytes = value.numel() * value.element_size();
    header[name] = {{"dtype", name_of(value.scalar_type())},
                    {"shape", value.sizes().vec()},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start 8-byte aligned
  const uint64_t length = text.size();
  std::string content(reinterpret_cast<const char*>(&length), 8);
  content += text;
  for (const auto& [name, value] : sorted) {
    content.append(static_cast<const char*>(value.data_ptr()),
                   static_cast<size_t>(value.numel()) * value.element_size());
  }
  common::write_file_atomically(path, content);
}

SafetensorsContent read_safetensors(const std::filesystem::path& path) {
  const std::string content = common::read_file(path);
  uint64_t length = 0;
  if (content.size() >= 8) std::memcpy(&length, content.data(), 8);
  if (content.size() < 8 || length > content.size() - 8 || length > kLongestHeader) {
    throw InputError(path.string(), "is not a whole safetensors file", "fetch it again");
  }
  try {
    const char* data = content.data() + 8 + length;
    const uint64_t data_bytes = content.size() - 8 - length;
    const json header = parsed_header(content.data() + 8, data, path.string());
    SafetensorsContent result;
    std::vector<Place> places;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        result.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        result.tensors[name] = tensor_from(entry, data, data_bytes, name, path.string());
        places.push_back(place_of(entry, name, path.string()));
      }
    }
    require_exact_cover(std::move(places), data_bytes, path.string());
    return result;
  } catch (const json::exception& failure) {
    throw InputError(path.string(),
                     "has a damaged header: " + shortened(failure.what(), kPrintedFailure));
  }
}

}  // namespace muster::models
