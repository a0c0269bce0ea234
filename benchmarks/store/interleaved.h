// Two ways of doing the same work, timed in turn so that what else the machine does falls on both.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace muster::benchmarks {

struct MedianSeconds {
  double measured = 0, bound = 0;
};

inline double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<long>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// One round of each beforehand does not count, nor does `prepare`, which goes before `measured`.
inline MedianSeconds interleaved(
    int rounds, const std::function<void()>& measured, const std::function<void()>& bound,
    const std::function<void()>& prepare = [] {}) {
  prepare();
  measured();
  bound();
  std::vector<double> of_measured, of_bound;
  for (int round = 0; round < rounds; ++round) {
    prepare();
    of_measured.push_back(seconds_of(measured));
    of_bound.push_back(seconds_of(bound));
  }
  return {median(of_measured), median(of_bound)};
}

}  // namespace muster::benchmarks
