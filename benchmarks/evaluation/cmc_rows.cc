#include "benchmarks/evaluation/cmc_rows.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "benchmarks/store/scratch.h"
#include "common/error.h"

namespace muster::benchmarks {
namespace fs = std::filesystem;

namespace {

// What a program prints, one JSON object.
nlohmann::json answer_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw common::SystemError(command, "cannot be started");
  std::string text;
  char buffer[4096];
  while (const size_t count = std::fread(buffer, 1, sizeof buffer, pipe)) {
    text.append(buffer, count);
  }
  const int status = ::pclose(pipe);
  const auto answer = nlohmann::json::parse(text, nullptr, false);
  if (status != 0 || !answer.is_object()) throw common::SystemError(command, "failed");
  return answer;
}

TableRow row_of(const std::string& limit, double measured, double bound) {
  TableRow row;
  row.path = "CMC and mAP of MARS's 1,980 x 12,180, 1,024 features, distances included";
  row.limit = limit;
  row.measured = measured;
  row.bound = bound;
  row.unit = "s";
  return row;
}

}  // namespace

std::vector<TableRow> cmc_rows(const fs::path& directory) {
  const ScratchDirectory scratch(directory);
  const std::string features = (scratch.path() / "features.h5").string();
  const std::string threads = std::to_string(usable_cores());
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  const auto ours =
      answer_of((here / "muster-cmc-worker").string() + " " + features + " " + threads);
  const auto peer = answer_of(
      "OMP_NUM_THREADS=" + threads + " OPENBLAS_NUM_THREADS=" + threads +
      " /usr/bin/python3 " MUSTER_SOURCE_DIR "/benchmarks/evaluation/numpy_cmc.py " + features);
  for (const char* number : {"map", "rank_1"}) {
    if (std::abs(ours[number].get<double>() - peer[number].get<double>()) > 1e-3) {
      throw common::SystemError(std::string("CMC in numpy: ") + number, "differs from ours");
    }
  }
  const double seconds = ours["score_seconds"];
  TableRow product =
      row_of("the bare matrix product of the distances", seconds, ours["product_seconds"]);
  product.ratio = product.measured / product.bound;
  product.target = 1.5;
  product.at_most = true;
  product.note = threads + " threads; peak memory " +
                 std::to_string(ours["peak_bytes"].get<int64_t>() >> 20) + " MiB";
  TableRow numpy = row_of("numpy, vectorised", seconds, peer["seconds"]);
  numpy.ratio = numpy.bound / numpy.measured;
  numpy.target = 4;
  numpy.note = "how many times faster; mAP " + std::to_string(ours["map"].get<double>());
  return {product, numpy};
}

}  // namespace muster::benchmarks
