#include "common/error.h"
#include "launcher/store_export.h"

namespace muster::launcher {

int export_store(const std::string& store, const std::filesystem::path&, const std::string&, bool) {
  throw common::InputError("muster store export " + store,
                           "is not part of this program, which was built without ingest",
                           "use one that was built with -DMUSTER_INGEST=ON");
}

}  // namespace muster::launcher
