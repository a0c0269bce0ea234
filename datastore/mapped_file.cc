#include "datastore/mapped_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "common/error.h"
#include "common/file_descriptor.h"

namespace muster::datastore {
namespace {

// Where this thread goes on if the copy that it is doing meets a page that cannot be read.
// Volatile: the compiler does not know that a copy may look at it.
thread_local sigjmp_buf* volatile way_out = nullptr;
struct sigaction former_action;

void on_bus_error(int signal, siginfo_t* information, void* context) {
  if (way_out != nullptr) ::siglongjmp(*way_out, 1);
  // Somebody else's: as if this handler were not there.
  if ((former_action.sa_flags & SA_SIGINFO) != 0) {
    former_action.sa_sigaction(signal, information, context);
  } else if (former_action.sa_handler != SIG_DFL && former_action.sa_handler != SIG_IGN) {
    former_action.sa_handler(signal);
  } else {
    ::signal(SIGBUS, SIG_DFL);
    ::raise(SIGBUS);
  }
}

void handle_bus_errors() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGBUS, &action, &former_action);
  });
}

// False if some of it cannot be read. No object with a destructor lives here: the jump skips them.
bool copied(void* target, const void* source, size_t bytes) {
  sigjmp_buf place;
  if (sigsetjmp(place, 0) != 0) {
    way_out = nullptr;
    return false;
  }
  way_out = &place;
  std::memcpy(target, source, bytes);
  way_out = nullptr;
  return true;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  handle_bus_errors();
  const common::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw common::system_call_error(path, "open", errno);
  struct stat facts;
  if (::fstat(file.get(), &facts) != 0) throw common::system_call_error(path, "fstat", errno);
  size_ = static_cast<uint64_t>(facts.st_size);
  if (size_ == 0) return;
  void* bytes = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.get(), 0);
  if (bytes == MAP_FAILED) throw common::system_call_error(path, "mmap", errno);
  bytes_ = static_cast<const uint8_t*>(bytes);
}

MappedFile::~MappedFile() {
  if (bytes_ != nullptr) ::munmap(const_cast<uint8_t*>(bytes_), size_);
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::read(uint64_t offset, uint64_t bytes, void* target) const {
  if (bytes == 0) return;
  if (offset > size_ || bytes > size_ - offset) {
    throw common::SystemError(path_, "is shorter than its header says");
  }
  if (!copied(target, bytes_ + offset, bytes)) {
    throw common::SystemError(path_,
                              "cannot be read any more: the disk failed, or the file was cut",
                              "muster store verify tells what is damaged");
  }
}

}  // namespace muster::datastore
