// How Prometheus finds the processes of a workspace: one small file for each, and a configuration
// that watches their directory.
#pragma once

#include <filesystem>
#include <string>

#include "monitoring/run_identity.h"

namespace muster::monitoring {

// A file_sd target file that exists as long as this object does.
class TargetFile {
 public:
  // Publishes `address` ("127.0.0.1:9100") with the labels run, job, node and rank. The name is
  // made of run, job and rank: a second attempt replaces the file of the first. Throws SystemError
  // that names the directory if it is missing, or the file if it cannot be written.
  TargetFile(const std::filesystem::path& directory, const RunIdentity& identity,
             const std::string& address);
  // Removes the file unless a later attempt has replaced it.
  ~TargetFile();
  TargetFile(const TargetFile&) = delete;
  TargetFile& operator=(const TargetFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::string content_;
};

// prometheus.yml for the target files of one directory. Throws InputError if the path holds
// characters that Prometheus reads as a pattern (* ? [ \), or if the interval is below 1 s.
std::string prometheus_configuration(const std::filesystem::path& targets_directory,
                                     int scrape_interval_seconds);

}  // namespace muster::monitoring
