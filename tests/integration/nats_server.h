#pragma once
// A nats-server of one test's own: on a free loopback port, with its store in a folder of its own, ended by its pid.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "common/base/fd.h"
#include "common/base/file.h"

namespace shrike::test {

class NatsServer {
 public:
  /// Where nats-server is; empty when this machine has none (then SHRIKE_NEED("nats", ...) skips the test).
  static std::string program() {
    for (const char* path : {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"})
      if (::access(path, X_OK) == 0) return path;
    return {};
  }

  /// Makes a folder, a configuration with JetStream and `extra` (more lines of it: authorization, tls), and starts.
  static Result<std::unique_ptr<NatsServer>> start(const std::string& extra = "") {
    std::string folder = (std::filesystem::temp_directory_path() / "shrike-nats-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return errno_error(folder);
    std::unique_ptr<NatsServer> server(new NatsServer(std::move(folder), extra));
    // A port that was free a moment ago can be taken by somebody else.
    for (int attempt = 0; attempt < 5; ++attempt) {
      server->port_ = free_port();
      if (server->resume()) return server;
    }
    return Error{"nats-server did not start: " + server->log()};
  }
  ~NatsServer() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  [[nodiscard]] std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  /// What it has logged so far.
  [[nodiscard]] std::string log() const {
    auto text = read_file(folder_ + "/log");
    return text ? *text : text.error().message;
  }
  /// Replaces the lines given to `start`; they hold from the next `resume`.
  void configure(const std::string& extra) { extra_ = extra; }

  /// Ends it as an operator would.
  void stop() { end(SIGTERM); }
  /// Ends it as a power cut would.
  void crash() { end(SIGKILL); }
  /// Starts it again: same port, same store. False when it does not answer within ten seconds.
  bool resume() {
    if (!write_file_atomic(folder_ + "/nats.conf", configuration())) return false;
    const std::string server = program();
    const std::string config = folder_ + "/nats.conf";
    const Fd log_fd(::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(log_fd.get(), 1);
      ::dup2(log_fd.get(), 2);
      ::execl(server.c_str(), server.c_str(), "-c", config.c_str(), nullptr);
      ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < deadline) {
      if (answers()) return true;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
        pid_ = -1;
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    stop();
    return false;
  }

 private:
  NatsServer(std::string folder, std::string extra) : folder_(std::move(folder)), extra_(std::move(extra)) {}

  [[nodiscard]] std::string configuration() const {
    return "host: 127.0.0.1\nport: " + std::to_string(port_) + "\njetstream { store_dir: \"" + folder_ +
           "/store\", max_file_store: 4GB, max_memory_store: 64MB }\n" + extra_ + "\n";
  }

  static sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  static int free_port() {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  /// Whether it greets: the first thing a NATS server says is INFO.
  [[nodiscard]] bool answers() const {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port_);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
    pollfd ready{fd.get(), POLLIN, 0};
    char first = 0;
    return ::poll(&ready, 1, 1000) == 1 && ::read(fd.get(), &first, 1) == 1 && first == 'I';
  }

  void end(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  std::string folder_;
  std::string extra_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace shrike::test
