#include "datastore/synthetic_mark.h"

#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::datastore {
namespace fs = std::filesystem;
using common::InputError;

void read_synthetic_mark(const fs::path& root, DatasetFacts& facts) {
  const fs::path mark = root / "muster-synthetic.json";
  std::error_code ignored;
  if (!fs::exists(mark, ignored)) return;
  try {
    const auto value = nlohmann::json::parse(common::read_file(mark));
    facts.synthetic = value.at("synthetic").get<bool>();
    if (value.contains("origin")) {  // exported from a store
      facts.origin = value.at("origin").get<std::string>();
      return;
    }
    facts.origin = "synthetic world '" + value.at("world").get<std::string>() +
                   "', rendered by muster synth with seed " +
                   std::to_string(value.at("seed").get<uint64_t>());
  } catch (const nlohmann::json::exception& failure) {
    throw InputError(mark.string(), std::string("is damaged: ") + failure.what(),
                     "render the world again");
  }
}

}  // namespace muster::datastore
