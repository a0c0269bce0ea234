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

// Some rows differ in nothing but the losses. Margins of the part-level loss are its default, 0.4.
std::vector<AblationRow> rows_of_rru_stim() {
  const std::string video = "identity { } video_triplet { margin: 0.4 }";
  const auto row = [](const char* name, const std::string& settings, const std::string& loss) {
    return AblationRow{name, "Table 1", "rru_stim { " + settings + " }", loss};
  };
  const std::string pooled = " integration: MEAN_POOLING";
  const std::string recurrent = " integration: LSTM_INTEGRATION";
  const std::string stim = " integration: STIM";
  return {row("Baseline", "refinement: UNREFINED" + pooled, "identity { }"),
          row("+Lv", "refinement: UNREFINED" + pooled, video),
          row("+LSTM+Lv", "refinement: UNREFINED" + recurrent, video),
          row("+STIM+Lv", "refinement: UNREFINED" + stim, video),
          row("+RRU(s)+Lv", "refinement: SPATIAL_GATE" + pooled, video),
          row("+RRU(c)+Lv", "refinement: CHANNEL_GATE" + pooled, video),
          row("+RRU(ad)+Lv", "refinement: APPEARANCE_GATE" + pooled, video),
          row("+RRU(od)+Lv", "refinement: ORIGINAL_GATE" + pooled, video),
          row("+RRU+Lv", "refinement: FULL_GATE" + pooled, video),
          row("+RRU+LSTM+Lv", "refinement: FULL_GATE" + recurrent, video),
          row("+RRU+STIM+Lv", "refinement: FULL_GATE" + stim, video),
          row("+RRU+STIM+Lv+Lp", "refinement: FULL_GATE" + stim, video + " part_triplet { }")};
}

}  // namespace

std::string tenth_text(int tenths) {
  const std::string whole = std::to_string(tenths / 10);
  return tenths % 10 == 0 ? whole : whole + "." + std::to_string(tenths % 10);
}

const std::vector<ModelEntry>& model_catalog() {
  static const std::vector<ModelEntry> catalog = {
      {"stsrn", "Su et al. 2018, spatial-temporal synergic residual network", proto::Model::kStsrn,
       &create_stsrn, stsrn_rows()},
      {"cnn_rnn",
       "McLaughlin et al. 2016, recurrent convolutional network (CNN-RNN)",
       proto::Model::kCnnRnn,
       &create_cnn_rnn,
       {{"CNN-RNN", "STSRN, Tables 1 to 4", "cnn_rnn { }"}}},
      {"rru_stim",
       "Liu et al. 2019, spatial and temporal mutual promotion: refining recurrent unit",
       proto::Model::kRruStim, &create_rru_stim, rows_of_rru_stim()},
      {"trl", "Dai et al. 2018, temporal residual learning with spatial-temporal transformer",
       proto::Model::kTrl, &create_trl, trl_rows()},
      {"tam_srm", "Zhou et al. 2017, see the forest for the trees: TAM and SRM",
       proto::Model::kTamSrm, &create_tam_srm, tam_srm_rows()},
      {"stal", "Song et al. 2018, spatial-temporal attention-aware learning", proto::Model::kStal,
       &create_stal, stal_rows()},
      {"pose_network",
       "body joints for STAL's parts; an auxiliary network without a distance",
       proto::Model::kPoseNetwork,
       &create_pose_network,
       {},
       /*has_distance=*/false},
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

void require_distance(const proto::Model& options) {
  const ModelEntry& entry = model_entry(options);
  if (entry.has_distance) return;
  throw common::InputError("network " + entry.name, "tells nobody apart: it has no distance",
                           "muster annotate writes down the joints that it finds");
}

}  // namespace muster::models
