#include "collector/ctl/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/base/file.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

/// Between fork and exec only calls that are safe after fork in a process with threads.
[[noreturn]] void become(char* const* arguments, char* const* environment, int log, int null, pid_t parent,
                         int report) {
  setpgid(0, 0);
  // The signal is sent when our thread ends; a parent that went before this call is noticed by the next.
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  int failure = 0;
  if (getppid() != parent) _exit(127);
  if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) failure = errno;
  if (failure == 0) {
    execve(arguments[0], arguments, environment);
    failure = errno;
  }
  (void)!write(report, &failure, sizeof failure);
  _exit(127);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::chrono::microseconds of(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

}  // namespace

std::string ChildEnd::sentence() const {
  if (signal == 0) return "exited with status " + std::to_string(exit_code);
  const char* text = sigabbrev_np(signal);
  return "was ended by signal " + std::to_string(signal) + (text != nullptr ? " (SIG" + std::string(text) + ")" : "");
}

Result<Child> Child::start(const ChildSpec& spec) {
  const Fd log(open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log.valid()) return errno_error("cannot write " + spec.log_file);
  const Fd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe");
  Fd report(ends[0]), theirs(ends[1]);

  std::vector<std::string> arguments = spec.arguments;
  std::vector<std::string> environment = spec.environment;
  for (char** one = environ; *one != nullptr; ++one) environment.emplace_back(*one);
  const std::vector<char*> argument_pointers = pointers(arguments);
  const std::vector<char*> environment_pointers = pointers(environment);

  Child child;
  child.name_ = spec.name;
  child.log_file_ = spec.log_file;
  const pid_t parent = getpid();
  child.pid_ = fork();
  if (child.pid_ == 0) {
    become(argument_pointers.data(), environment_pointers.data(), log.get(), null.get(), parent, theirs.get());
  }
  if (child.pid_ < 0) return errno_error("cannot start " + spec.name);
  setpgid(child.pid_, child.pid_);
  child.pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0)));
  if (!child.pidfd_.valid()) return errno_error("pidfd_open");
  theirs.reset();
  int failure = 0;
  ssize_t n;
  do {
    n = read(report.get(), &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof failure) return errno_error("cannot start " + spec.arguments[0], failure);
  return child;
}

Child::~Child() {
  if (!pidfd_.valid() || end_) return;
  kill(-pid_, SIGKILL);
  ended(std::chrono::milliseconds(5000));
}

std::optional<ChildEnd> Child::ended(std::chrono::milliseconds wait) {
  if (end_) return end_;
  pollfd fd{pidfd_.get(), POLLIN, 0};
  if (poll(&fd, 1, static_cast<int>(wait.count())) != 1) return std::nullopt;
  int status = 0;
  rusage usage{};
  if (wait4(pid_, &status, WNOHANG, &usage) != pid_) return std::nullopt;
  ChildEnd end;
  end.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  end.cpu = of(usage.ru_utime) + of(usage.ru_stime);
  end.max_resident_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  end_ = end;
  // What it may have left behind in its group goes with it; the group's id is not used again while we have not reaped
  // others of it, and nothing else can have joined it.
  kill(-pid_, SIGKILL);
  return end_;
}

ChildEnd Child::stop(std::chrono::milliseconds patience, int cut_short) {
  if (end_) return *end_;
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGTERM, nullptr, 0);
  pollfd fds[2] = {{pidfd_.get(), POLLIN, 0}, {cut_short, POLLIN, 0}};
  (void)poll(fds, 2, static_cast<int>(patience.count()));
  if (const auto end = ended()) return *end;
  kill(-pid_, SIGKILL);
  const auto end = ended(std::chrono::milliseconds(10'000));
  return end ? *end : ChildEnd{0, SIGKILL, {}, 0};
}

std::chrono::microseconds Child::cpu_so_far() const {
  const auto stat = read_file("/proc/" + std::to_string(pid_) + "/stat", 4096);
  if (end_ || !stat.ok()) return {};
  // Fields 14 and 15; the name before them may hold anything, also blanks and parentheses.
  const size_t name_end = stat->rfind(')');
  unsigned long user = 0, system = 0;
  if (name_end == std::string::npos ||
      std::sscanf(stat->c_str() + name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                  &system) != 2) {
    return {};
  }
  return std::chrono::microseconds((user + system) * 1'000'000 / static_cast<unsigned long>(sysconf(_SC_CLK_TCK)));
}

std::vector<std::string> last_lines(const std::string& path, size_t most) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - 16384);
  std::string text(static_cast<size_t>(std::max<off_t>(0, size - from)), '\0');
  const ssize_t n = pread(fd.get(), text.data(), text.size(), from);
  text.resize(static_cast<size_t>(std::max<ssize_t>(0, n)));
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(printable(std::string_view(text).substr(at, end - at)));
    at = end + 1;
  }
  if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(most));
  return lines;
}

std::string own_folder() {
  char path[PATH_MAX];
  const ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return {};
  const std::string whole(path, static_cast<size_t>(n));
  return whole.substr(0, whole.rfind('/'));
}

std::string find_program(const std::string& name) {
  std::vector<std::string> folders{own_folder()};
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    // A relative entry would run whatever lies in the current folder, as root.
    if (folder.starts_with('/')) folders.emplace_back(folder);
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  // Debian puts nats-server into /usr/sbin, which is not on everyone's PATH.
  for (const char* folder : {"/usr/sbin", "/usr/local/sbin", "/usr/bin"}) folders.emplace_back(folder);
  for (const std::string& folder : folders) {
    const std::string whole = folder + "/" + name;
    if (!folder.empty() && access(whole.c_str(), X_OK) == 0) return whole;
  }
  return {};
}

}  // namespace shrike::ctl
