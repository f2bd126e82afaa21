#pragma once
// Where `shrike run` finds the agent: a Unix socket that only root may use, speaking the sandbox's own frames.

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "agent/detonator.h"
#include "common/base/fd.h"

namespace shrike::agent {

class JobServer {
 public:
  static constexpr size_t clients_max = 64;

  /// Listens at `path`; what is there of an earlier run is removed. Errors: errno.
  static Result<std::unique_ptr<JobServer>> start(const std::string& path, Detonator& detonator);
  /// Ends all connections, and with them their jobs.
  ~JobServer();
  JobServer(const JobServer&) = delete;
  JobServer& operator=(const JobServer&) = delete;

 private:
  JobServer(std::string path, Fd listener, Fd stop, Detonator& detonator)
      : path_(std::move(path)), listener_(std::move(listener)), stop_(std::move(stop)), detonator_(detonator) {}
  struct Client {
    int socket = -1;  // owned by its thread while that is not done
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void accept_clients();
  void serve(Fd socket, uint32_t uid);
  void bury();

  std::string path_;
  Fd listener_, stop_;
  Detonator& detonator_;
  std::mutex mutex_;
  std::list<Client> clients_;
  std::thread thread_;
};

}  // namespace shrike::agent
