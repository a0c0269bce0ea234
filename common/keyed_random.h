// Random numbers that are a function of a key alone: no global generator, no order of calls between
// ranks or threads. The key of a draw names what it is for: (seed, step, clip, layer).
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace muster::common {

// One round of SplitMix64's finaliser: a bijection of 64-bit words without visible pattern.
inline uint64_t mixed(uint64_t word) {
  word += 0x9E3779B97F4A7C15ull;
  word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9ull;
  word = (word ^ (word >> 27)) * 0x94D049BB133111EBull;
  return word ^ (word >> 31);
}

// Combines parts into one key; the order of the parts counts.
inline uint64_t combined_key(std::initializer_list<uint64_t> parts) {
  uint64_t key = 0x6D7573746572ull;
  for (const uint64_t part : parts) key = mixed(key ^ mixed(part));
  return key;
}

// The stream of one key. Copyable; the same key gives the same numbers on every machine, except
// that normal() goes through the C library's log and cos.
class KeyedRandom {
 public:
  explicit KeyedRandom(uint64_t key) : key_(key) {}

  uint64_t next() { return mixed(key_ ^ mixed(counter_++)); }
  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Uniform in {0, ..., bound - 1}; bound > 0. Bias below 2^-32 for bounds below 2^32.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  bool chance(double probability) { return uniform() < probability; }
  // Standard normal by Box-Muller, one value per two draws.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }
  // Fisher-Yates.
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t last = items.size(); last > 1; --last) {
      std::swap(items[last - 1], items[below(last)]);
    }
  }

 private:
  uint64_t key_;
  uint64_t counter_ = 0;
};

}  // namespace muster::common
