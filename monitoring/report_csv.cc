#include <string>
#include <vector>

#include "monitoring/report.h"
#include "monitoring/report_view.h"

namespace muster::monitoring {
namespace {

// RFC 4180: quoted where needed, quotes doubled.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char byte : text) {
    if (byte == '"') quoted += '"';
    quoted += byte;
  }
  return quoted + "\"";
}

}  // namespace

std::string report_csv(const proto::ReportInput& input) {
  std::string text = kCsvHeader;
  for (const proto::ReportCell* cell : view_of(input).cells) {
    std::vector<std::string> fields = {input.experiment(),
                                       cell->method(),
                                       cell->train(),
                                       cell->test(),
                                       std::to_string(cell->split()),
                                       cell->settings()};
    for (const int rank : {1, 5, 10, 20}) {
      fields.push_back(decimal(matching_percent(*cell, rank), 2));
    }
    fields.push_back(
        cell->has_mean_average_precision() ? decimal(100 * cell->mean_average_precision(), 2) : "");
    fields.push_back("measured");
    for (size_t index = 0; index < fields.size(); ++index) {
      text += (index == 0 ? "" : ",") + field(fields[index]);
    }
    text += "\n";
  }
  return text;
}

}  // namespace muster::monitoring
