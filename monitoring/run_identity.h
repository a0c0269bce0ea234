// Who a training process is, for its metrics and its target file.
#pragma once

#include <string>

namespace muster::monitoring {

struct RunIdentity {
  std::string run;          // identity of the training
  std::string model;        // name of the network
  std::string train_store;  // name of the store it is trained on
  int rank = 0;
  int world_size = 1;
  std::string job;   // of the batch system; empty without one
  std::string node;  // host name
  std::string commit, version;
};

}  // namespace muster::monitoring
