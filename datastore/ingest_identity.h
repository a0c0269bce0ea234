// What an ingest is of: the same identity means the same bytes.
#pragma once

#include <string>

#include "common/progress_sink.h"
#include "datastore/dataset_reader.h"
#include "datastore/ingest.h"

namespace muster::datastore {

// SHA-256 over the producer's version, every setting and fact that decides the store's bytes, and
// the name and SHA-256 of every source, read in options.jobs threads. A source that cannot be read
// throws InputError or SystemError naming it; under kSkip it only counts as unreadable.
std::string ingest_identity(const DatasetReader& dataset, const IngestOptions& options,
                            common::ProgressSink& progress);

}  // namespace muster::datastore
