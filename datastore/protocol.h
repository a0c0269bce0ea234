// Who is train, probe and gallery, and how the ranking is counted. A protocol is data: a role per
// tracklet and a few rules; training, extraction and ranking only apply them.
// docs/guides/protocols.md says what each one means.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "datastore/scoring_rules.h"
#include "datastore/tracklet_role.h"
#include "datastore/tracklet_store.h"

namespace muster::datastore {

struct ProtocolOptions {
  std::string name;         // empty: what the layout uses
  int split = 0;            // 0 to 9
  uint64_t split_seed = 1;  // of random halves and other draws
};

struct Protocol {
  std::string name;
  std::string summary;  // one line
  ScoringRules rules;
  // Of another protocol whose features can be scored under this one too; empty: of none.
  std::string scores_features_of;
  std::vector<int32_t> (*assign)(const TrackletStore& store, const ProtocolOptions& options);
};

const std::vector<Protocol>& protocol_catalog();
std::vector<std::string> protocol_names();

// Throws InputError for an unknown name, listing the known ones.
const Protocol& find_protocol(const std::string& name);

// The protocol a layout uses when none is named.
std::string default_protocol(const std::string& layout);

// One role per tracklet of the store, in its order; a function of the tracklets, whatever their
// order. No identity both trains and tests. Throws InputError for an unknown name, a split that
// does not exist, or a store that the protocol does not fit (naming the store).
std::vector<int32_t> assign_roles(const TrackletStore& store, const ProtocolOptions& options);

}  // namespace muster::datastore
