// A made-up experiment for the tests of the report.
#pragma once

#include "proto/report_input.pb.h"

namespace muster::monitoring {

inline proto::ReportCell* add_cell(proto::ReportInput& input, const std::string& train,
                                   const std::string& test, double rank1, int split = 0) {
  proto::ReportCell* cell = input.add_cells();
  cell->set_train(train);
  cell->set_test(test);
  cell->set_method("STSRN");
  cell->set_split(split);
  for (int rank = 1; rank <= 20; ++rank) cell->add_cmc(1 - (1 - rank1) / rank);
  cell->set_mean_average_precision(rank1 / 2);
  cell->set_queries(60);
  cell->set_gallery(1234);
  cell->set_settings("training { steps: 300 }");
  proto::ReportFact* fact = cell->add_provenance();
  fact->set_name("checkpoint");
  fact->set_value("step-00000300");
  return cell;
}

// Two training sets, three test sets, all six cells, nothing synthetic.
inline proto::ReportInput example_input() {
  proto::ReportInput input;
  input.set_experiment("quickstart");
  input.set_title("Cross-dataset re-identification");
  input.set_commit("a1b2c3d");
  input.set_command("muster run experiments/quickstart.textproto");
  for (const char* name : {"prid2011", "ilids-vid", "vtest"}) {
    input.add_test_sets(name);
    proto::ReportDataset* dataset = input.add_datasets();
    dataset->set_name(name);
    dataset->set_origin("Filmed.");
    dataset->set_synthetic(false);
    dataset->set_tracklets(120);
  }
  input.add_train_sets("prid2011");
  input.add_train_sets("ilids-vid");
  add_cell(input, "prid2011", "prid2011", 0.84);
  add_cell(input, "prid2011", "ilids-vid", 0.41);
  add_cell(input, "prid2011", "vtest", 0.613);
  add_cell(input, "ilids-vid", "prid2011", 0.47);
  add_cell(input, "ilids-vid", "ilids-vid", 0.71);
  add_cell(input, "ilids-vid", "vtest", 0.581);
  return input;
}

// The same with rendered worlds instead of prid2011 and ilids-vid.
inline proto::ReportInput synthetic_input() {
  proto::ReportInput input = example_input();
  for (proto::ReportCell& cell : *input.mutable_cells()) cell.set_synthetic(true);
  input.mutable_datasets(0)->set_synthetic(true);
  input.mutable_datasets(1)->set_synthetic(true);
  return input;
}

}  // namespace muster::monitoring
