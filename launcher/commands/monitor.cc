#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "launcher/command.h"
#include "launcher/command_line.h"
#include "monitoring/target_file.h"

namespace muster::launcher {

namespace fs = std::filesystem;

int run_monitor(const std::vector<std::string>& arguments) {
  CommandLine line("muster monitor --workspace DIR",
                   "Becomes a Prometheus on the loopback interface that finds every training which "
                   "runs with the same --workspace.");
  line.option("workspace", "DIR", "the workspace to watch")
      .option("port", "N", "of Prometheus, on 127.0.0.1", "9090")
      .option("interval-seconds", "N", "between scrapes", "5")
      .flag("print", "print the configuration and start nothing");
  if (!line.parse(arguments)) return 0;
  const int64_t port = line.integer("port", 1, 65535);
  const auto interval_seconds = static_cast<int>(line.integer("interval-seconds", 1, 3600));
  const fs::path directory = fs::absolute(line.text("workspace")) / "monitoring";
  common::make_directories(directory / "targets");
  const std::string configuration =
      monitoring::prometheus_configuration(directory / "targets", interval_seconds);
  if (line.has("print")) {
    std::cout << configuration;
    return 0;
  }
  common::write_file_atomically(directory / "prometheus.yml", configuration);
  const std::string file = "--config.file=" + (directory / "prometheus.yml").string();
  const std::string data = "--storage.tsdb.path=" + (directory / "data").string();
  const std::string listen = "--web.listen-address=127.0.0.1:" + std::to_string(port);
  ::execlp("prometheus", "prometheus", file.c_str(), data.c_str(), listen.c_str(),
           "--log.level=warn", static_cast<char*>(nullptr));
  throw common::SystemError("prometheus", "cannot be started",
                            "install Debian's package prometheus");
}

}  // namespace muster::launcher
