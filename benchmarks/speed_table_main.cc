// muster-speed: every path beside a limit that is measured in the same run. Not a test: numbers of
// a busy machine mean nothing.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <iostream>

#include "benchmarks/communication/communication_rows.h"
#include "benchmarks/evaluation/cmc_rows.h"
#include "benchmarks/guarded_main.h"
#include "benchmarks/loader/loader_rows.h"
#include "benchmarks/print_table.h"
#include "benchmarks/separate_process.h"
#include "benchmarks/store/store_rows.h"
#include "common/error.h"
#include "common/nearest_name.h"
#include "launcher/command_line.h"

namespace muster::benchmarks {
namespace {

namespace fs = std::filesystem;

struct Part {
  std::string name, summary;
  bool only_long;
  std::function<std::vector<TableRow>(const fs::path& directory)> rows;
};

// A new part is a line here and its sources in CMakeLists.txt.
std::vector<Part> parts() {
  return {
      {"loader", "clips against memcpy and bare libjpeg-turbo", false, loader_rows},
      {"flow", "flow against OpenCV's filters", false, [](const fs::path&) { return flow_rows(); }},
      {"ingest", "ingest against its computing alone", false, ingest_rows},
      {"verify", "verification against CRC32C over mmap", false, verify_rows},
      {"all_reduce", "all-reduce of two ranks against bare MPI", false,
       [](const fs::path&) { return all_reduce_rows(); }},
      {"cmc", "CMC and mAP against a bare matrix product and numpy", false, cmc_rows},
      {"memory", "memory of an ingest at MARS's scale (--long)", true, mars_memory_rows},
  };
}

std::vector<Part> chosen(const std::vector<std::string>& names, bool with_long) {
  std::vector<Part> result;
  std::vector<std::string> known;
  for (const Part& part : parts()) {
    known.push_back(part.name);
    const bool named = std::find(names.begin(), names.end(), part.name) != names.end();
    if (names.empty() ? with_long || !part.only_long : named) result.push_back(part);
  }
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw common::InputError("--only '" + name + "'", "is not known",
                               common::name_hint(name, known));
    }
  }
  return result;
}

int run(const std::vector<std::string>& arguments) {
  std::string names = "these rows only; again for more:";
  for (const Part& part : parts()) names += "\n  " + part.name + ": " + part.summary;
  launcher::CommandLine line("muster-speed [--only NAME] [--long] [--json]",
                             "Measures muster's paths and what this machine could do at most.");
  line.repeated("only", "NAME", names)
      .option("dir", "DIR", "where input and stores are made and removed",
              fs::temp_directory_path().string())
      .flag("long", "also the rows that take minutes")
      .flag("json", "print JSON");
  if (!line.parse(arguments)) return 0;
  if (!fs::is_directory(line.text("dir"))) {
    throw common::InputError("--dir " + line.text("dir"), "is no directory", "make it first");
  }
  std::vector<TableRow> rows;
  for (const Part& part : chosen(line.texts("only"), line.has("long"))) {
    std::cerr << part.summary << "\n";
    for (TableRow& row : rows_of_separate_process([&] { return part.rows(line.text("dir")); })) {
      rows.push_back(std::move(row));
    }
  }
  if (line.has("json")) {
    print_json(rows, std::cout);
  } else {
    print_table(rows, std::cout);
  }
  return 0;
}

}  // namespace
}  // namespace muster::benchmarks

int main(int count, char** values) {
  return muster::benchmarks::guarded_main("muster-speed", count, values, &muster::benchmarks::run);
}
