#include "agent/status_server.h"

#include <httplib.h>

#include <thread>

namespace shrike::agent {

struct StatusServer::Impl {
  httplib::Server server;
  std::thread thread;
};

StatusServer::StatusServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StatusServer::StatusServer(StatusServer&&) noexcept = default;
StatusServer& StatusServer::operator=(StatusServer&&) noexcept = default;

StatusServer::~StatusServer() {
  if (impl_ == nullptr) return;
  impl_->server.stop();
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<StatusServer> StatusServer::start(const Listen& listen, const StatusBoard& board) {
  auto impl = std::make_unique<Impl>();
  auto& server = impl->server;
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  // Anyone on this host can connect: nobody may hold a worker for long, or make it keep much.
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(1);
  server.set_write_timeout(1);
  server.set_payload_max_length(1024);
  server.Get("/metrics", [&board](const httplib::Request&, httplib::Response& response) {
    response.set_content(status_to_metrics(board.read()), "text/plain; version=0.0.4; charset=utf-8");
  });
  server.Get("/status", [&board](const httplib::Request&, httplib::Response& response) {
    response.set_content(status_to_json(board.read()), "application/json");
  });
  if (!server.bind_to_port(listen.host, listen.port))
    return errno_error("metrics.listen: cannot listen on " + listen.host + ":" + std::to_string(listen.port),
                       errno != 0 ? errno : EADDRINUSE);
  impl->thread = std::thread([raw = impl.get()] { raw->server.listen_after_bind(); });
  // stop() does nothing before this, and the destructor would wait for ever.
  while (!impl->server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return StatusServer(std::move(impl));
}

}  // namespace shrike::agent
