// Files appear whole or not at all: written beside their final name, synced, renamed, directory
// synced.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "common/error.h"

namespace muster::common {

// Replaces or creates `path`. On failure throws SystemError, removes the temporary file and leaves
// whatever stood at `path` untouched. Safe to call from several processes: the last rename wins.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);

// Throws InputError if nothing stands at `path`, or a link to nowhere, a directory, a pipe or a
// device; SystemError if that cannot be found out (no right to look, links in a circle).
void require_file(const std::filesystem::path& path);

// Whole content of a file. Throws as require_file does, and SystemError if it cannot be read.
std::string read_file(const std::filesystem::path& path);

// Lets `write` make a file or a folder under the temporary name that it is given, and publishes it
// as `path`. Whatever is thrown, the temporary is removed and `path` left as it was; a SystemError
// is told of `path`.
void write_aside(const std::filesystem::path& path,
                 const std::function<void(const std::filesystem::path&)>& write);

// A name in the same directory that no other process uses and that readers ignore (leading dot).
std::filesystem::path temporary_name_beside(const std::filesystem::path& path);

// Removes files and folders beside `path` that writers of it left when they died: those of
// processes of this machine that are gone, and those of other machines that nobody has touched for
// an hour. Never throws for what it cannot list or remove.
void remove_stale_temporaries(const std::filesystem::path& path);

// A failure to write `path` under a temporary name, told of `path`: what users know. The name of a
// file inside a temporary folder is kept.
SystemError about_final_name(const SystemError& failure, const std::filesystem::path& path);

// fsync of a file or a directory. Throws SystemError.
void sync_path(const std::filesystem::path& path);

// Makes the directory and its parents where they are missing. Throws SystemError naming it.
void make_directories(const std::filesystem::path& path);

// Syncs `temporary`, renames it to `path`, syncs the directory. Throws SystemError.
void publish_file(const std::filesystem::path& temporary, const std::filesystem::path& path);

// Throws InputError if `path` already exists and is not an empty directory, then creates its
// parents. Throws SystemError naming `path` if they cannot be made.
void require_new_directory(const std::filesystem::path& path, const std::string& remedy);

}  // namespace muster::common
