#include "datastore/sealed_json.h"

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/sha256.h"

namespace muster::datastore {
namespace {

constexpr char kChecksumKey[] = ",\n\"checksum\": \"";
constexpr char kTail[] = "\"\n}\n";
constexpr size_t kDigestLength = 64;

}  // namespace

void write_sealed_json(const std::filesystem::path& path, std::string object) {
  MUSTER_REQUIRE(object.size(), >=, size_t{2});
  MUSTER_REQUIRE(object.substr(object.size() - 2), ==, "\n}");
  object.resize(object.size() - 2);
  common::write_file_atomically(path, object + kChecksumKey + common::sha256_of(object) + kTail);
}

std::string read_sealed_json(const std::filesystem::path& path) {
  const std::string text = common::read_file(path);
  const common::InputError damaged(
      path.string(), "is damaged: it does not match its own checksum",
      "restore it from a copy, or remove it and run the command that made it again");
  const size_t tail_length = sizeof(kChecksumKey) - 1 + kDigestLength + sizeof(kTail) - 1;
  if (text.size() < tail_length) throw damaged;
  const std::string body = text.substr(0, text.size() - tail_length);
  if (text != body + kChecksumKey + common::sha256_of(body) + kTail) throw damaged;
  return body + "\n}";
}

}  // namespace muster::datastore
