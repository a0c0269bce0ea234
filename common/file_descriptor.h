// An open file of the operating system that closes itself, and reads and writes of all bytes asked.
#pragma once

#include <cstddef>
#include <cstdint>

namespace muster::common {

// Owns one descriptor, or none.
class Descriptor {
 public:
  Descriptor() = default;
  // Takes what open() and its likes returned; negative: none.
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : value_(other.value_) { other.value_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  bool is_open() const { return value_ >= 0; }
  int get() const { return value_; }
  // Now, for who must know how it went. 0 or the system's error.
  int close();

 private:
  int value_ = -1;
};

// Both go on where a signal or a short count interrupts them. From any thread; the descriptor's own
// position is neither used nor moved. 0 or the system's error; a file that ends before the last
// byte is EIO.
int read_at(const Descriptor& file, uint64_t offset, void* target, size_t bytes);
int write_at(const Descriptor& file, uint64_t offset, const void* source, size_t bytes);

}  // namespace muster::common
