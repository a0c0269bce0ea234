#include "monitoring/metrics_server.h"

#include <httplib.h>

#include <thread>

#include "common/error.h"

namespace muster::monitoring {

struct MetricsServer::State {
  httplib::Server server;
  int port = 0;
  std::thread listener;
};

MetricsServer::MetricsServer(const std::string& bind_address, std::function<std::string()> text)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  const common::SystemError refused(bind_address, "cannot serve metrics at this address",
                                    "choose a free port, or port 0 for any");
  const size_t colon = bind_address.rfind(':');
  if (colon == std::string::npos) throw refused;
  const std::string host = bind_address.substr(0, colon);
  const int wanted = std::atoi(bind_address.c_str() + colon + 1);
  s.server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  // The library's default would let two servers share one port.
  s.server.set_socket_options([](socket_t) {});
  s.server.Get("/metrics",
               [text = std::move(text)](const httplib::Request&, httplib::Response& response) {
                 response.set_content(text(), "text/plain; version=0.0.4; charset=utf-8");
               });
  if (wanted == 0) {
    s.port = s.server.bind_to_any_port(host);
  } else if (s.server.bind_to_port(host, wanted)) {
    s.port = wanted;
  }
  if (s.port <= 0) throw refused;
  s.listener = std::thread([this] { state_->server.listen_after_bind(); });
  while (!s.server.is_running()) std::this_thread::yield();  // stop() before it runs would be lost
}

MetricsServer::~MetricsServer() {
  state_->server.stop();
  state_->listener.join();
}

int MetricsServer::port() const { return state_->port; }

}  // namespace muster::monitoring
