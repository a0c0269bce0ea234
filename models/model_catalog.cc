#include "models/model_catalog.h"

#include "common/error.h"

namespace muster::models {
namespace {

// Table 5 and Figure 3b have a plain recurrent net behind the spatial blocks.
std::vector<AblationRow> stsrn_rows() {
  const std::string plain = " temporal_residual: false synergy: false }";
  return {
      {"BaseModel", "Table 5", "stsrn { structure: BASE" + plain},
      {"SingleResBlock", "Table 5", "stsrn { structure: SINGLE_RESIDUAL" + plain},
      {"DoubleResBlocks", "Table 5", "stsrn { structure: DOUBLE_RESIDUAL" + plain},
      {"TripleResBlocks", "Table 5", "stsrn { structure: TRIPLE_RESIDUAL" + plain},
      {"DoubleResBlocks*", "Table 5", "stsrn { structure: DOUBLE_PLAIN_RESIDUAL" + plain},
      {"DoubleResBlocks, Figure 3b", "Figure 3b", "stsrn { activation_in_block: true" + plain},
      {"BaseModel", "Table 6", "stsrn { structure: BASE" + plain},
      {"DoubleRes", "Table 6", "stsrn { structure: DOUBLE_RESIDUAL" + plain},
      {"Base+TemRes", "Table 6", "stsrn { structure: BASE synergy: false }"},
      {"Double+TemRes", "Table 6", "stsrn { structure: DOUBLE_RESIDUAL synergy: false }"},
      {"Base+TemRes+STSM", "Table 6", "stsrn { structure: BASE }"},
      {"Double+TemRes+STSM", "Table 6", "stsrn { structure: DOUBLE_RESIDUAL }"},
  };
}

}  // namespace

const std::vector<ModelEntry>& model_catalog() {
  static const std::vector<ModelEntry> catalog = {
      {"stsrn", "Su et al. 2018, spatial-temporal synergic residual network", proto::Model::kStsrn,
       &create_stsrn, stsrn_rows()},
      {"cnn_rnn",
       "McLaughlin et al. 2016, recurrent convolutional network (CNN-RNN)",
       proto::Model::kCnnRnn,
       &create_cnn_rnn,
       {}},
  };
  return catalog;
}

const ModelEntry& model_entry(const proto::Model& options) {
  std::string known;
  for (const ModelEntry& entry : model_catalog()) {
    if (entry.network_case == options.network_case()) return entry;
    known += (known.empty() ? "" : ", ") + entry.name;
  }
  throw common::InputError("model", "names no network", "choose one of: " + known);
}

}  // namespace muster::models
