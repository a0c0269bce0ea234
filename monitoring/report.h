// The report of an experiment: one page to read, one to paste, one to compute with.
#pragma once

#include <filesystem>
#include <string>

#include "proto/report_input.pb.h"

namespace muster::monitoring {

// Writes report.html, report.md and report.csv, each whole or not at all, and creates the
// directory. The bytes are a function of the input alone. Throws InputError for an input that
// contradicts itself, and where one of the three files is there and is not a report of
// muster's; SystemError if gnuplot is missing or a file cannot be written; nothing is written
// unless all three could be made.
void write_report(const proto::ReportInput& input, const std::filesystem::path& directory);

// The three texts. report_html runs gnuplot.
std::string report_html(const proto::ReportInput& input);
std::string report_markdown(const proto::ReportInput& input);
// Columns experiment, method, train, test, split, settings, rank1, rank5, rank10, rank20, map,
// source; percent; RFC 4180 quoting, lines end in \n. Missing cells have no row.
std::string report_csv(const proto::ReportInput& input);

// Rank 1 of each pair of training and test set, for a terminal.
std::string terminal_table(const proto::ReportInput& input);

}  // namespace muster::monitoring
