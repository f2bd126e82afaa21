#include "sandbox/client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "common/base/bytes.h"
#include "sandbox/pidfd.h"

extern char** environ;

namespace shrike::sandbox {

namespace {

/// Where the descriptor of the channel is in a shrike-sandbox that we start.
constexpr int channel_fd = 3;

/// Connected, or nothing where there is no service. Errors: there is one, but it cannot be spoken to.
Result<Fd> connect_service(const std::string& path) {
  if (path.empty()) return Fd();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{path + ": is too long for a socket's path"};
  path.copy(address.sun_path, path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_error("socket");
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return socket;
  // Not there, not running, or root's alone: then a job of our own.
  if (errno == ENOENT || errno == ECONNREFUSED || errno == EACCES || errno == EPERM) return Fd();
  return errno_error(path);
}

bool executable(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

Result<std::string> find_program(const std::string& given) {
  if (!given.empty()) return given;
  char self[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
  if (length > 0) {
    std::string path(self, static_cast<size_t>(length));
    path = path.substr(0, path.rfind('/')) + "/shrike-sandbox";
    if (executable(path)) return path;
  }
  const char* search = std::getenv("PATH");
  std::string_view rest = search == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : search;
  while (!rest.empty()) {
    const auto folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    const std::string path = std::string(folder) + "/shrike-sandbox";
    if (!folder.empty() && executable(path)) return path;
  }
  // Not in an operator's PATH, but where the package puts it.
  if (executable("/usr/sbin/shrike-sandbox")) return std::string("/usr/sbin/shrike-sandbox");
  return Error{"no sandbox to run it in: there is no shrike-sandbox beside this program or in PATH, and no service"};
}

struct Started {
  Fd socket;
  Fd pidfd;
};

Result<Started> start_own(const ClientOptions& options) {
  const std::string program = TRY(find_program(options.program));
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return errno_error("socketpair");
  Started started{Fd(fds[0]), Fd()};
  const Fd theirs(fds[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  // Also where it is that number already: dup2 onto itself then takes close-on-exec away.
  ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), channel_fd);
  const std::string number = std::to_string(channel_fd);
  std::vector<const char*> argv = {program.c_str(), "job", "--channel", number.c_str()};
  for (const auto& option : options.options) argv.push_back(option.c_str());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, const_cast<char**>(argv.data()), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return errno_error(program, error);
  started.pidfd = open_pidfd(pid);
  if (!started.pidfd.valid()) {
    const Error failed = errno_error("pidfd_open");
    started.socket.reset();  // it ends by that
    ::waitpid(pid, nullptr, 0);
    return failed;
  }
  return started;
}

Result<void> tell_calls(std::string_view payload, const JobEvents& events) {
  if (!events.call) return {};
  std::span<const std::byte> rest(reinterpret_cast<const std::byte*>(payload.data()), payload.size());
  while (!rest.empty()) events.call(TRY(decode_call(rest)));
  return {};
}

/// Waits for a frame, or for the word to stop. True: to stop.
Result<bool> wait_either(int channel, int stop_fd) {
  pollfd ready[2] = {{channel, POLLIN, 0}, {stop_fd, POLLIN, 0}};
  for (;;) {
    const int count = ::poll(ready, stop_fd >= 0 ? 2 : 1, -1);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error("poll");
    return stop_fd >= 0 && ready[1].revents != 0;
  }
}

}  // namespace

JobClient::JobClient(Channel channel, Fd pidfd) : channel_(std::move(channel)), pidfd_(std::move(pidfd)) {}
JobClient::JobClient(JobClient&&) noexcept = default;
JobClient& JobClient::operator=(JobClient&& other) noexcept {
  std::swap(channel_, other.channel_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

JobClient::~JobClient() {
  channel_ = Channel(Fd());
  if (!pidfd_.valid()) return;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  int count = 0;
  do count = ::poll(&ended, 1, 30'000);
  while (count < 0 && errno == EINTR);
  if (count == 0) kill_pidfd(pidfd_);
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd_.get()), nullptr, WEXITED) != 0 &&
         errno == EINTR) {
  }
}

Result<JobClient> JobClient::start(const ClientOptions& options, const Job& job, const JobFiles& files) {
  TRY_VOID(check_job(job));
  std::vector<int> fds = {files.program.get()};
  if (job.has_input) fds.push_back(files.input.get());
  for (const auto& file : files.files) fds.push_back(file.get());
  if (files.files.size() != job.files.size()) return Error{"job: its files and their descriptors do not agree"};
  Started started;
  started.socket = TRY(connect_service(options.socket));
  if (!started.socket.valid() && !options.own)
    return Error{options.socket + ": nobody there to run it, or not for this user", ENOENT};
  if (!started.socket.valid()) started = TRY(start_own(options));
  JobClient client(Channel(std::move(started.socket)), std::move(started.pidfd));
  TRY_VOID(client.channel_.send(Frame::job, job_to_json(job), fds));
  return client;
}

Result<Report> JobClient::finish(const JobEvents& events, int stop_fd) {
  for (;;) {
    if (TRY(wait_either(channel_.fd(), stop_fd))) {
      stop_fd = -1;
      // A sandbox that has just ended its job does not hear it; its report is there to be read all the same.
      static_cast<void>(channel_.send(Frame::stop, ""));
      continue;
    }
    const auto message = TRY(channel_.receive());
    if (!message) return Error{"the sandbox broke off without a report"};
    switch (message->type) {
      case Frame::out:
        if (events.out) events.out(message->payload);
        break;
      case Frame::err:
        if (events.err) events.err(message->payload);
        break;
      case Frame::calls:
        TRY_VOID(tell_calls(message->payload, events));
        break;
      case Frame::begun:
        if (message->payload.size() != sizeof(uint64_t)) return Error{"the sandbox said something that is no time"};
        if (events.begun) events.begun(load_le<uint64_t>(message->payload.data()));
        break;
      case Frame::placed: {
        const JobPlace place = TRY(place_of_bytes(message->payload));
        if (events.placed) events.placed(place);
        // One that has ended meanwhile does not hear it, and has a report.
        static_cast<void>(channel_.send(Frame::go, ""));
        break;
      }
      case Frame::report:
        return report_from_json(message->payload);
      case Frame::refused:
        return Error{"refused: " + message->payload.substr(0, 4096)};
      case Frame::job:
      case Frame::stop:
      case Frame::go:
        return Error{"the sandbox said something that only a client says"};
    }
  }
}

}  // namespace shrike::sandbox
