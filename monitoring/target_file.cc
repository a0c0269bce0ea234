#include "monitoring/target_file.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/atomic_file.h"
#include "common/error.h"

namespace muster::monitoring {
namespace fs = std::filesystem;

namespace {

// JSON text, which is also YAML; bytes that are not UTF-8 become U+FFFD.
std::string dumped(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Part of a file name: letters, digits, '-' and '_' stay, other bytes become %XX.
std::string file_name_part(const std::string& text) {
  std::string part;
  for (const unsigned char byte : text) {
    if (byte < 128 && (std::isalnum(byte) || byte == '-' || byte == '_')) {
      part += static_cast<char>(byte);
    } else {
      const char* digits = "0123456789ABCDEF";
      part += '%';
      part += digits[byte >> 4];
      part += digits[byte & 15];
    }
  }
  return part;
}

std::string file_name(const RunIdentity& identity) {
  // 200 bytes leave room for the temporary name beside it.
  std::string name = file_name_part(identity.run).substr(0, 120);
  if (!identity.job.empty()) name += "." + file_name_part(identity.job).substr(0, 60);
  return name + "." + std::to_string(identity.rank) + ".json";
}

}  // namespace

TargetFile::TargetFile(const fs::path& directory, const RunIdentity& identity,
                       const std::string& address)
    : path_(directory / file_name(identity)) {
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    throw common::SystemError(directory.string(), "no such directory for target files",
                              "create it");
  }
  const nlohmann::json target = {{"targets", nlohmann::json::array({address})},
                                 {"labels",
                                  {{"run", identity.run},
                                   {"job", identity.job},
                                   {"node", identity.node},
                                   {"rank", std::to_string(identity.rank)}}}};
  content_ = dumped(nlohmann::json::array({target})) + "\n";
  common::write_file_atomically(path_, content_);
}

TargetFile::~TargetFile() {
  try {
    if (common::read_file(path_) == content_) fs::remove(path_);
  } catch (const std::exception&) {
    // Already gone, or its directory is: nothing is left to take back.
  }
}

std::string prometheus_configuration(const fs::path& targets_directory,
                                     int scrape_interval_seconds) {
  const std::string directory = fs::absolute(targets_directory).lexically_normal().string();
  if (directory.find_first_of("*?[\\") != std::string::npos) {
    throw common::InputError(directory, "Prometheus would read this path as a pattern",
                             "choose a directory without * ? [ and \\");
  }
  if (scrape_interval_seconds < 1) {
    throw common::InputError("scrape interval",
                             "is " + std::to_string(scrape_interval_seconds) + " s",
                             "choose 1 s or more");
  }
  std::ostringstream yaml;
  yaml << "# Written by muster; Prometheus reads the target files again whenever one changes.\n"
       << "global:\n"
       << "  scrape_interval: " << scrape_interval_seconds << "s\n"
       << "  scrape_timeout: " << std::min(scrape_interval_seconds, 10) << "s\n"
       << "scrape_configs:\n"
       << "  - job_name: \"muster\"\n"
       << "    file_sd_configs:\n"
       << "      - files:\n"
       << "          - " << dumped((fs::path(directory) / "*.json").string()) << "\n";
  return yaml.str();
}

}  // namespace muster::monitoring
