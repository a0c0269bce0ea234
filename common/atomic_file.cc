#include "common/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "common/file_descriptor.h"
#include "common/host_name.h"

namespace muster::common {
namespace fs = std::filesystem;

namespace {

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string temporary_prefix(const fs::path& path) {
  return "." + path.filename().string() + ".tmp.";
}

bool untouched_for_an_hour(const fs::path& path) {
  std::error_code failure;
  const auto touched = fs::last_write_time(path, failure);
  return !failure && fs::file_time_type::clock::now() - touched > std::chrono::hours(1);
}

// A killed process that its parent has not waited for still has a number.
bool is_dead(long process) {
  if (::kill(static_cast<pid_t>(process), 0) != 0) return errno == ESRCH;
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string facts{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = facts.rfind(") ");  // the state follows the program's name
  return name_end != std::string::npos &&
         std::string("ZXx").find(facts[name_end + 2]) != std::string::npos;
}

// Whether the writer of a temporary has died. `writer` is what follows the prefix in its name:
// PLACE.PROCESS.NUMBER. Of processes of other places only the age of what they wrote is known.
bool is_abandoned(const fs::path& temporary, const std::string& writer) {
  const std::string here = process_place() + ".";
  const long process = writer.rfind(here, 0) == 0 ? std::atol(writer.c_str() + here.size()) : 0;
  return process > 0 ? is_dead(process) : untouched_for_an_hour(temporary);
}

}  // namespace

fs::path temporary_name_beside(const fs::path& path) {
  static std::atomic<unsigned> counter{0};
  return directory_of(path) / (temporary_prefix(path) + process_place() + "." +
                               std::to_string(::getpid()) + "." + std::to_string(counter++));
}

void remove_stale_temporaries(const fs::path& path) {
  const std::string prefix = temporary_prefix(path);
  std::vector<fs::path> stale;
  std::error_code ignored;  // what cannot be listed is not removed
  for (fs::directory_iterator entry(directory_of(path), ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.rfind(prefix, 0) != 0) continue;
    if (is_abandoned(entry->path(), name.substr(prefix.size()))) stale.push_back(entry->path());
  }
  for (const fs::path& remains : stale) fs::remove_all(remains, ignored);
}

SystemError about_final_name(const SystemError& failure, const fs::path& path) {
  const std::string hidden = (directory_of(path) / temporary_prefix(path)).string();
  std::string object = path.string();
  if (failure.object().rfind(hidden, 0) == 0) {
    const size_t inside = failure.object().find('/', hidden.size());
    if (inside != std::string::npos) object += failure.object().substr(inside);
  }
  return SystemError(object, failure.problem(), failure.remedy());
}

void sync_path(const fs::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw system_call_error(path.string(), "open", errno);
  if (::fsync(file.get()) != 0) throw system_call_error(path.string(), "fsync", errno);
}

void make_directories(const fs::path& path) {
  std::error_code failure;
  fs::create_directories(path.empty() ? "." : path, failure);
  if (failure) throw system_call_error(path.string(), "mkdir", failure.value());
}

void publish_file(const fs::path& temporary, const fs::path& path) {
  sync_path(temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    throw system_call_error(path.string(), "rename", errno);
  }
  sync_path(directory_of(path));
}

void write_aside(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  const fs::path temporary = temporary_name_beside(path);
  std::error_code ignored;
  try {
    write(temporary);
    publish_file(temporary, path);
  } catch (const SystemError& failure) {
    fs::remove_all(temporary, ignored);
    throw about_final_name(failure, path);
  } catch (...) {
    fs::remove_all(temporary, ignored);
    throw;
  }
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  write_aside(path, [&](const fs::path& temporary) {
    const Descriptor file(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (!file.is_open()) throw system_call_error(path.string(), "create", errno);
    const int error = write_at(file, 0, bytes.data(), bytes.size());
    if (error != 0) throw system_call_error(path.string(), "write", error);
  });
}

void require_file(const fs::path& path) {
  std::error_code failure, ignored;
  switch (fs::status(path, failure).type()) {
    case fs::file_type::regular:
      return;
    case fs::file_type::not_found:
      if (failure == std::errc::not_a_directory) {
        throw InputError(path.string(), "no such file: a folder of its path is a file");
      }
      throw InputError(path.string(),
                       fs::is_symlink(path, ignored) ? "is a link to nowhere" : "no such file");
    case fs::file_type::directory:
      throw InputError(path.string(), "is a directory, not a file");
    case fs::file_type::none:
      if (failure == std::errc::too_many_symbolic_link_levels) {
        throw InputError(path.string(), "is a link that leads back to itself");
      }
      throw system_call_error(path.string(), "stat", failure.value());
    default:  // would be waited for without end
      throw InputError(path.string(), "is a pipe or device, not a file");
  }
}

std::string read_file(const fs::path& path) {
  require_file(path);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw system_call_error(path.string(), "open", errno);
  std::error_code unknown;
  const uintmax_t size = fs::file_size(path, unknown);
  constexpr size_t kLeastRoom = 4096;  // files of the system say that they have no size
  std::string content;
  size_t used = 0;
  for (;;) {
    if (used == content.size()) {
      content.resize(used == 0 && !unknown ? static_cast<size_t>(size) + 1 : 2 * used + kLeastRoom);
    }
    const ssize_t got = ::read(file.get(), content.data() + used, content.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_call_error(path.string(), "read", errno);
    if (got == 0) break;
    used += static_cast<size_t>(got);
  }
  content.resize(used);
  return content;
}

void require_new_directory(const fs::path& path, const std::string& remedy) {
  std::error_code failure;
  if (fs::exists(path, failure)) {
    if (!fs::is_directory(path, failure)) {
      throw InputError(path.string(), "exists and is not a directory", remedy);
    }
    if (!fs::is_empty(path, failure)) throw InputError(path.string(), "already exists", remedy);
  }
  fs::create_directories(directory_of(path), failure);
  if (failure) throw SystemError(path.string(), "cannot be created: " + failure.message());
}

}  // namespace muster::common
