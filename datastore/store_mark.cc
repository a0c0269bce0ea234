#include "datastore/store_mark.h"

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;

namespace {

constexpr char kPrefix[] = ".ingest-";

fs::path mark_of(const fs::path& store, const std::string& identity) {
  return store / (kPrefix + identity);
}

}  // namespace

StoreMark::StoreMark(const fs::path& store, const std::string& identity)
    : store_(store), identity_(identity) {
  const fs::path mark = mark_of(store, identity);
  std::error_code ignored;
  const bool stood_there = fs::exists(mark, ignored);
  common::write_file_atomically(mark, "");
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0 || name == mark.filename().string()) continue;
    if (!stood_there) remove(store, identity);
    throw common::InputError(store.string(), "was begun with other data or settings",
                             "choose another --store, or remove this one first");
  }
}

StoreMark::~StoreMark() { remove(store_, identity_); }

void StoreMark::remove(const fs::path& store, const std::string& identity) {
  const fs::path mark = mark_of(store, identity);
  std::error_code ignored;
  fs::remove(mark, ignored);
  common::remove_stale_temporaries(mark);
}

bool StoreMark::is_mark(const std::string& file_name) {
  const std::string prefix = kPrefix;
  return file_name.rfind(prefix, 0) == 0 || file_name.rfind("." + prefix, 0) == 0;
}

}  // namespace muster::datastore
