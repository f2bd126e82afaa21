#pragma once
// A collector's operator API as a test wants it to be: what to answer is set from outside, also while a client follows.

#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "collector/ctl/settings.h"

namespace shrike::ctl {

class FakeApi {
 public:
  /// `port` 0: any.
  explicit FakeApi(int port = 0) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(4); };
    const auto follow = [this](const httplib::Request& request, httplib::Response& response) {
      serve(request, response);
    };
    for (const char* path : {"/v1/alerts", "/v1/verdicts", "/v1/events"}) server_.Get(path, follow);
    server_.Get("/v1/(nodes|status|proof|batches)",
                [this](const httplib::Request& request, httplib::Response& response) {
                  const std::lock_guard lock(mutex_);
                  note(request);
                  response.status = status_;
                  response.set_content(body_, "application/json");
                });
    port_ = port == 0 ? server_.bind_to_any_port("127.0.0.1") : (server_.bind_to_port("127.0.0.1", port) ? port : -1);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }
  ~FakeApi() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    server_.stop();
    if (thread_.joinable()) thread_.join();
  }

  /// Sends a line to whoever follows, or to the next who asks.
  void send(const std::string& line) {
    {
      const std::lock_guard lock(mutex_);
      lines_.push_back(line + "\n");
    }
    changed_.notify_all();
  }
  void answer(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  /// The targets of the requests so far; waits until there are `count`.
  std::vector<std::string> requests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return requests_.size() >= count; });
    return requests_;
  }
  Endpoint endpoint(const std::string& token_file) const { return {"127.0.0.1", port_, token_file, "secret"}; }
  int port() const { return port_; }

 private:
  void note(const httplib::Request& request) {
    requests_.push_back(request.target);
    changed_.notify_all();
  }
  void serve(const httplib::Request& request, httplib::Response& response) {
    {
      const std::lock_guard lock(mutex_);
      note(request);
      if (request.get_header_value("Authorization") != "Bearer secret") {
        response.status = 401;
        return;
      }
      if (status_ != 200) {
        response.status = status_;
        response.set_content(body_, "application/json");
        return;
      }
    }
    const bool follow = request.has_param("follow");
    response.set_chunked_content_provider("application/x-ndjson", [this, follow](size_t, httplib::DataSink& sink) {
      std::unique_lock lock(mutex_);
      // An empty line now and then is the sign of life by which a follower notices that its own reader has gone.
      if (!changed_.wait_for(lock, std::chrono::milliseconds(10),
                             [&] { return ending_ || !follow || !lines_.empty(); })) {
        return sink.write("\n", 1);
      }
      if (ending_) return false;
      while (!lines_.empty()) {
        const std::string line = lines_.front();
        lines_.pop_front();
        if (!sink.write(line.data(), line.size())) return false;
      }
      if (!follow) sink.done();
      return true;
    });
  }

  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::vector<std::string> requests_;
  int status_ = 200;
  std::string body_ = "[]";
  bool ending_ = false;
};

}  // namespace shrike::ctl
