// One line of the speed table: what was measured beside what the machine could do at most.
#pragma once

#include <string>

namespace muster::benchmarks {

struct TableRow {
  std::string path, limit;  // what was measured; what it is held against
  double measured = 0;      // in `unit`
  double bound = 0;         // the limit's, in the same unit and of the same run
  double ratio = 0;         // measured / bound
  double target = 0;        // least ratio; 0: none is set
  bool at_most = false;     // the target is the largest ratio instead
  std::string unit, note;
};

}  // namespace muster::benchmarks
