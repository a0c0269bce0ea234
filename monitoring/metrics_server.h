// Answers GET /metrics with a text, over HTTP (cpp-httplib). prometheus-cpp's own Exposer cannot
// run in a program that links libtorch: docs/decisions/0003-metrics-server.md.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace muster::monitoring {

class MetricsServer {
 public:
  // "HOST:PORT", port 0 for any free one. `text` is called from the server's threads. Throws
  // SystemError naming the address if it cannot listen there.
  MetricsServer(const std::string& bind_address, std::function<std::string()> text);
  ~MetricsServer();
  int port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace muster::monitoring
