// Every network by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "proto/experiment.pb.h"

namespace muster::models {

// One row of a paper's table: the network with these settings.
struct AblationRow {
  std::string name;   // as the paper prints it
  std::string table;  // "Table 5"
  std::string model;  // proto::Model in text format
  // proto::Loss in text format, where rows of the table differ in it; empty: no row does.
  std::string loss = {};
};

struct ModelEntry {
  std::string name;
  std::string summary;  // paper and title, one line
  proto::Model::NetworkCase network_case;
  // `identities` classes; 0 builds no classifier. Weights are a function of `seed` and their names.
  std::unique_ptr<Model> (*create)(const proto::Model& options, int64_t identities, uint64_t seed);
  std::vector<AblationRow> rows;
  bool has_distance = true;  // without: an auxiliary network, never extracted or scored
};

const std::vector<ModelEntry>& model_catalog();

// The entry `options` choose. Throws InputError naming the known networks if none is chosen.
const ModelEntry& model_entry(const proto::Model& options);

// Throws InputError naming the network if it is an auxiliary one, whose signatures no distance
// compares.
void require_distance(const proto::Model& options);

std::unique_ptr<Model> create_stsrn(const proto::Model& options, int64_t identities, uint64_t seed);
std::unique_ptr<Model> create_cnn_rnn(const proto::Model& options, int64_t identities,
                                      uint64_t seed);
std::unique_ptr<Model> create_rru_stim(const proto::Model& options, int64_t identities,
                                       uint64_t seed);
std::unique_ptr<Model> create_trl(const proto::Model& options, int64_t identities, uint64_t seed);
// "0", "0.1", ... "1": the steps of the papers' sweeps.
std::string tenth_text(int tenths);
std::vector<AblationRow> trl_rows();
std::unique_ptr<Model> create_tam_srm(const proto::Model& options, int64_t identities,
                                      uint64_t seed);
std::vector<AblationRow> tam_srm_rows();
std::unique_ptr<Model> create_stal(const proto::Model& options, int64_t identities, uint64_t seed);
std::vector<AblationRow> stal_rows();
std::unique_ptr<Model> create_pose_network(const proto::Model& options, int64_t identities,
                                           uint64_t seed);

}  // namespace muster::models
