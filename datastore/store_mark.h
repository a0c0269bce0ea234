// Whose a store is while shards are written into it: ingests of different data that begin at the
// same time must not mix their shards. Later the shards themselves tell.
#pragma once

#include <filesystem>
#include <string>

namespace muster::datastore {

// An empty hidden file whose name says the identity: a kill cannot leave half of it. Ingests of one
// identity share it; the last of them to end removes it. Where the file system has no locks the
// first does.
class StoreMark {
 public:
  // Throws InputError naming the store if it bears the mark of another identity. Of two that begin
  // at the same moment at least one sees the other.
  StoreMark(const std::filesystem::path& store, const std::string& identity);
  ~StoreMark();
  StoreMark(const StoreMark&) = delete;
  StoreMark& operator=(const StoreMark&) = delete;
  // What a killed ingest of that identity left, where there is anything and nobody holds it.
  static void remove_unheld(const std::filesystem::path& store,
                            const std::string& identity) noexcept;
  static bool is_mark(const std::string& file_name);

 private:
  const std::filesystem::path file_;
  int descriptor_;
};

}  // namespace muster::datastore
