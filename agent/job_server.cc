#include "agent/job_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/bytes.h"
#include "common/base/file.h"
#include "sandbox/channel.h"

namespace shrike::agent {
namespace {

constexpr int first_frame_patience_ms = 10'000;

Result<Fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{path + ": too long for a socket's name"};
  path.copy(address.sun_path, path.size());
  TRY_VOID(make_dirs(path.substr(0, path.rfind('/')), 0755));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_error("socket");
  // One that was left behind answers nobody.
  const Fd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return Error{path + ": another agent listens there", EADDRINUSE};
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(path);
  // Nobody else's from the moment it is there.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(socket.get(), 16) != 0) return errno_error(path);
  return socket;
}

/// Root, or whom the agent runs as.
std::optional<uint32_t> allowed_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  if (peer.uid != 0 && peer.uid != ::geteuid()) return std::nullopt;
  return peer.uid;
}

}  // namespace

Result<std::unique_ptr<JobServer>> JobServer::start(const std::string& path, Detonator& detonator) {
  Fd listener = TRY(listen_at(path));
  Fd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop.valid()) return errno_error("eventfd");
  std::unique_ptr<JobServer> server(new JobServer(path, std::move(listener), std::move(stop), detonator));
  server->thread_ = std::thread([raw = server.get()] { raw->accept_clients(); });
  return server;
}

JobServer::~JobServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
  {
    const std::lock_guard lock(mutex_);
    for (Client& client : clients_)
      if (!client.done) ::shutdown(client.socket, SHUT_RD);  // its job is asked to stop; its report still goes out
  }
  for (Client& client : clients_) client.thread.join();
  ::unlink(path_.c_str());
}

void JobServer::bury() {
  const std::lock_guard lock(mutex_);
  for (auto at = clients_.begin(); at != clients_.end();) {
    if (!at->done) {
      ++at;
      continue;
    }
    at->thread.join();
    at = clients_.erase(at);
  }
}

void JobServer::accept_clients() {
  pollfd ready[2] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
  for (;;) {
    if (::poll(ready, 2, 1000) < 0 && errno != EINTR) return;
    if (ready[1].revents != 0) return;
    bury();
    if (ready[0].revents == 0) continue;
    Fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.valid()) continue;
    const auto uid = allowed_peer(socket.get());
    const std::lock_guard lock(mutex_);
    if (!uid || clients_.size() >= clients_max) continue;
    Client& client = clients_.emplace_back();
    client.socket = socket.get();
    client.thread = std::thread([this, &client, owned = std::move(socket), who = *uid]() mutable {
      Fd kept(::fcntl(owned.get(), F_DUPFD_CLOEXEC, 3));
      serve(std::move(kept), who);
      const std::lock_guard inner(mutex_);
      client.done = true;
      owned.reset();
    });
  }
}

void JobServer::serve(Fd socket, uint32_t uid) {
  const int fd = socket.get();
  sandbox::Channel channel(std::move(socket));
  pollfd first{fd, POLLIN, 0};
  if (::poll(&first, 1, first_frame_patience_ms) <= 0) return;
  auto message = channel.receive();
  if (!message || !*message || (*message)->type != sandbox::Frame::job) return;
  const auto refuse = [&](const Error& why) { (void)channel.send(sandbox::Frame::refused, why.message); };
  auto job = sandbox::job_from_json((*message)->payload);
  if (!job) return refuse(job.error());
  // Whose it is is what the kernel says of the other end, not what that says of itself.
  job->caller = "local:" + std::to_string(uid);
  auto& fds = (*message)->fds;
  const size_t needed = 1 + (job->has_input ? 1 : 0) + job->files.size();
  if (fds.size() != needed)
    return refuse({"a job with " + std::to_string(needed) + " files came with " + std::to_string(fds.size())});
  sandbox::JobFiles files;
  size_t next = 0;
  files.program = std::move(fds[next++]);
  if (job->has_input) files.input = std::move(fds[next++]);
  for (size_t i = 0; i < job->files.size(); ++i) files.files.push_back(std::move(fds[next++]));

  JobWatch watch;
  watch.stop_fd = fd;  // a frame (stop is the only one), or the end of it
  watch.out = [&](std::string_view bytes) { (void)channel.send(sandbox::Frame::out, bytes); };
  watch.err = [&](std::string_view bytes) { (void)channel.send(sandbox::Frame::err, bytes); };
  watch.begun = [&](uint64_t boot_ns) {
    char bytes[sizeof boot_ns];
    store_le(bytes, boot_ns);
    (void)channel.send(sandbox::Frame::begun, {bytes, sizeof bytes});
  };
  const auto report = detonator_.run(*job, files, watch);
  if (!report) return refuse(report.error());
  (void)channel.send(sandbox::Frame::report, sandbox::report_to_json(*report));
}

}  // namespace shrike::agent
