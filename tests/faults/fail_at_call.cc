// Preloaded into a program, makes the nth system call that changes a disk its last one, or lets it
// fail for want of room. Only calls on names or descriptors below MUSTER_FAULT_BELOW count.
//   MUSTER_FAULT_CALL=n       counted from 1; 0 never
//   MUSTER_FAULT_KIND=kill    SIGKILL before the call | after: SIGKILL after it | stop: SIGSTOP
//                             before it | full: ENOSPC | hang: the thread never comes back
//   MUSTER_FAULT_IN=MPI_Init_thread | MPI_Finalize   instead: SIGSTOP there, in rank
//   MUSTER_FAULT_RANK of mpirun
//   MUSTER_FAULT_COUNT=file   gets the number of calls when the program ends
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_below(const char* path) {
  static const std::string prefix = setting("MUSTER_FAULT_BELOW");
  return !prefix.empty() && std::strncmp(path, prefix.c_str(), prefix.size()) == 0;
}

bool is_below(int descriptor) {
  char link[64], path[PATH_MAX];
  std::snprintf(link, sizeof(link), "/proc/self/fd/%d", descriptor);
  const ssize_t length = ::readlink(link, path, sizeof(path) - 1);
  if (length < 0) return false;
  path[length] = '\0';
  return is_below(path);
}

std::atomic<long> calls{0};

struct TellCount {
  ~TellCount() {
    const std::string file = setting("MUSTER_FAULT_COUNT");
    if (file.empty()) return;
    if (FILE* out = std::fopen(file.c_str(), "w")) {
      std::fprintf(out, "%ld\n", calls.load());
      std::fclose(out);
    }
  }
} tell_count;

// Counts a call and performs it, or what stands in its place.
template <typename Call>
auto counted(bool counts, const Call& call) -> decltype(call()) {
  if (!counts) return call();
  static const long chosen = std::atol(setting("MUSTER_FAULT_CALL").c_str());
  static const std::string kind = setting("MUSTER_FAULT_KIND");
  const long number = ++calls;
  // A disk that is full stays full.
  if (kind == "full" && chosen > 0 && number >= chosen) {
    errno = ENOSPC;
    return -1;
  }
  if (number != chosen) return call();
  while (kind == "hang") ::pause();
  if (kind == "after") call();
  ::kill(::getpid(), kind == "stop" ? SIGSTOP : SIGKILL);
  return call();
}

bool creates(int flags) { return (flags & O_CREAT) != 0; }

}  // namespace

// Removing and renaming need no room.
template <typename Call>
static int without_room(bool counts, const Call& call) {
  if (setting("MUSTER_FAULT_KIND") == "full") return call();
  return counted(counts, call);
}

static void stop_in(const char* function) {
  const std::string rank = setting("OMPI_COMM_WORLD_RANK");
  if (setting("MUSTER_FAULT_IN") != function || setting("MUSTER_FAULT_RANK") != rank) return;
  ::kill(::getpid(), SIGSTOP);
}

extern "C" {

// Of MPI, without its header.
int MPI_Init_thread(int* count, char*** arguments, int required, int* provided) {
  stop_in("MPI_Init_thread");
  return real<int (*)(int*, char***, int, int*)>("MPI_Init_thread")(count, arguments, required,
                                                                    provided);
}

int MPI_Finalize() {
  stop_in("MPI_Finalize");
  return real<int (*)()>("MPI_Finalize")();
}

#define MUSTER_FAULT_OPEN(name)                                              \
  int name(const char* path, int flags, ...) {                               \
    mode_t mode = 0;                                                         \
    if (creates(flags)) {                                                    \
      va_list rest;                                                          \
      va_start(rest, flags);                                                 \
      mode = static_cast<mode_t>(va_arg(rest, int));                         \
      va_end(rest);                                                          \
    }                                                                        \
    return counted(creates(flags) && is_below(path), [&] {                   \
      return real<int (*)(const char*, int, ...)>(#name)(path, flags, mode); \
    });                                                                      \
  }
MUSTER_FAULT_OPEN(open)
MUSTER_FAULT_OPEN(open64)

#define MUSTER_FAULT_WRITE(name)                                                                 \
  ssize_t name(int descriptor, const void* bytes, size_t count, off_t offset) {                  \
    return counted(is_below(descriptor), [&] {                                                   \
      return real<ssize_t (*)(int, const void*, size_t, off_t)>(#name)(descriptor, bytes, count, \
                                                                       offset);                  \
    });                                                                                          \
  }
MUSTER_FAULT_WRITE(pwrite)
MUSTER_FAULT_WRITE(pwrite64)

ssize_t write(int descriptor, const void* bytes, size_t count) {
  return counted(is_below(descriptor), [&] {
    return real<ssize_t (*)(int, const void*, size_t)>("write")(descriptor, bytes, count);
  });
}
int ftruncate(int descriptor, off_t size) {
  return counted(is_below(descriptor),
                 [&] { return real<int (*)(int, off_t)>("ftruncate")(descriptor, size); });
}
int ftruncate64(int descriptor, off_t size) {
  return counted(is_below(descriptor),
                 [&] { return real<int (*)(int, off_t)>("ftruncate64")(descriptor, size); });
}
int fsync(int descriptor) {
  return counted(is_below(descriptor), [&] { return real<int (*)(int)>("fsync")(descriptor); });
}
int mkdir(const char* path, mode_t mode) {
  return counted(is_below(path),
                 [&] { return real<int (*)(const char*, mode_t)>("mkdir")(path, mode); });
}
int rename(const char* from, const char* to) {
  return without_room(is_below(to),
                      [&] { return real<int (*)(const char*, const char*)>("rename")(from, to); });
}
int unlink(const char* path) {
  return without_room(is_below(path), [&] { return real<int (*)(const char*)>("unlink")(path); });
}
int remove(const char* path) {
  return without_room(is_below(path), [&] { return real<int (*)(const char*)>("remove")(path); });
}

}  // extern "C"
