// `muster store export`. One of two sources is linked: with the ingest side, or without.
#pragma once

#include <filesystem>
#include <string>

namespace muster::launcher {

// `annotation` as in datastore/export.h. Returns an exit code. Without the ingest side throws
// InputError that says so.
int export_store(const std::string& store, const std::filesystem::path& output,
                 const std::string& annotation, bool as_json);

}  // namespace muster::launcher
