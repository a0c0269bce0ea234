// muster-synthetic.json at a dataset's root: says that its pictures were rendered, not filmed.
#pragma once

#include <filesystem>

#include "datastore/dataset_reader.h"

namespace muster::datastore {

// Sets `synthetic` and `origin` where the mark is there, else nothing. Throws InputError naming the
// mark if it is damaged.
void read_synthetic_mark(const std::filesystem::path& root, DatasetFacts& facts);

}  // namespace muster::datastore
