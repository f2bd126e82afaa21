#include "sandbox/process/init.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "sandbox/job.h"
#include "sandbox/json_object.h"
#include "sandbox/process/init_filter.h"
#include "sandbox/process/landlock.h"
#include "sandbox/process/launch.h"
#include "sandbox/process/link.h"
#include "sandbox/process/network.h"
#include "sandbox/process/sink.h"
#include "sandbox/process/small_file.h"

namespace shrike::sandbox::process {

namespace {

using nlohmann::json;

constexpr size_t job_bytes_max = 8u << 20;
constexpr size_t job_fds_min = 5;
constexpr int link_fd = 3;

/// Time of each step of the set-up, and what could not be had.
class Steps {
 public:
  void done(const char* name) {
    const uint64_t now = boot_now_ns();
    list_.push_back({{"name", name}, {"ns", now - last_}});
    last_ = now;
  }
  [[nodiscard]] std::string text(const std::vector<std::string>& notes) const {
    return dump_json({{"steps", list_}, {"notes", notes}});
  }
  void restart() {
    list_ = json::array();
    waited();
  }
  /// What went by was somebody else's.
  void waited() { last_ = boot_now_ns(); }

 private:
  json list_ = json::array();
  uint64_t last_ = boot_now_ns();
};

class Init {
 public:
  Init(int link, const InitPlan& plan) : link_(link), plan_(plan) {}

  Result<void> prepare() {
    TRY_VOID(expect(Word::go));
    steps_.waited();
    TRY_VOID(become_user());
    steps_.done("user");
    // As ours before the host's /proc goes.
    put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    put("/proc/self/oom_score_adj", "1000");
    root_.emplace(TRY(Root::enter(plan_.view, notes_)));
    steps_.done("root");
    // Whoever shares our sandbox may not look into us.
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return errno_error("prctl");
    TRY_VOID(make_network());
    steps_.done("network");
    std::vector<int> fds = {root_->fd(), network_.get()};
    for (const int socket : sink_->sockets())
      if (socket >= 0) fds.push_back(socket);
    return say(link_, Word::ready, steps_.text(notes_), fds);
  }

  Result<void> start() {
    const auto heard = TRY(expect(Word::job));
    steps_.restart();
    notes_.clear();
    TRY_VOID(read_job(heard));
    TRY_VOID(put_files());
    steps_.done("files");
    TRY_VOID(leave_network());
    const Fd rules = TRY(landlock_rules(root_->writable()));
    if (!rules.valid()) notes_.emplace_back("no Landlock in this kernel");
    TRY_VOID(make_plan(rules.get()));
    steps_.done("landlock");
    launched_.emplace(TRY(Launched::start(launch_)));
    steps_.done("exec");
    const int fds[] = {launched_->listener().get()};
    TRY_VOID(say(link_, Word::started, steps_.text(notes_), {fds, launch_.notify ? 1u : 0u}));
    if (launch_.notify) launched_->wait_exec();
    // The program has its own; a pipe ends only when nobody has it open.
    fds_.clear();
    for (const int standard : {0, 1, 2}) ::close(standard);
    if (!drop_capabilities()) return errno_error("capabilities");
    return confine_init();
  }

  /// Until no process but us is left.
  Result<void> watch() {
    for (;;) {
      if (!reap()) break;
      std::vector<pollfd> fds = {{link_, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
      if (sink_) sink_->watch(fds);
      if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return errno_error("poll");
      // Nothing more is ever said to us: this is its end.
      if (fds[0].revents != 0) ::_exit(1);
      if (fds[1].revents != 0) forget_signals();
      if (sink_) sink_->handle(fds.data() + 2, fds.size() - 2);
    }
    if (sink_) sink_->finish();
    return {};
  }

  Result<void> take_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    network_ = Fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!signals_.valid() || !network_.valid()) return errno_error("signals");
    return {};
  }

 private:
  Result<Heard> expect(Word word) const {
    auto heard = TRY(hear(link_));
    if (!heard) ::_exit(1);
    if (heard->word != word) return Error{"link: another word than expected"};
    return std::move(*heard);
  }

  Result<void> become_user() const {
    if (plan_.may_set_groups && ::setgroups(0, nullptr) != 0) return errno_error("setgroups");
    if (::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) return errno_error("user ids");
    // Born into its group, so that this is the root of what it sees of them.
    if (::unshare(CLONE_NEWCGROUP) != 0) return errno_error("cgroup namespace");
    if (::sethostname("host", 4) != 0) return errno_error("host name");
    // After the ids, which clear it.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno_error("prctl");
    return {};
  }

  Result<void> read_job(const Heard& heard) {
    if (heard.fds.size() < job_fds_min) return Error{"link: a job without descriptors"};
    struct stat st {};
    std::string text;
    if (::fstat(heard.fds[0].get(), &st) != 0 || st.st_size < 0 || static_cast<size_t>(st.st_size) > job_bytes_max)
      return Error{"link: a job that is too large"};
    text.resize(static_cast<size_t>(st.st_size));
    if (::pread(heard.fds[0].get(), text.data(), text.size(), 0) != st.st_size) return errno_error("link: job");
    job_ = TRY(job_from_json(text));
    if (heard.fds.size() != job_fds_min + (job_.has_input ? 1 : 0) + job_.files.size())
      return Error{"link: a job with the wrong descriptors"};
    if (::fstat(heard.fds[1].get(), &st) != 0 || st.st_size % static_cast<off_t>(sizeof(sock_filter)) != 0)
      return Error{"link: no filter"};
    launch_.filter.resize(static_cast<size_t>(st.st_size) / sizeof(sock_filter));
    if (::pread(heard.fds[1].get(), launch_.filter.data(), static_cast<size_t>(st.st_size), 0) != st.st_size)
      return errno_error("link: filter");
    launch_.notify = heard.text == "notify";
    for (auto& fd : const_cast<Heard&>(heard).fds) fds_.push_back(std::move(fd));
    return {};
  }

  Result<void> put_files() {
    char magic[4] = {};
    const int program = fds_[4].get();
    launch_.by_descriptor = ::pread(program, magic, sizeof magic, 0) == 4 && std::string_view(magic, 4) ==
                                                                                 "\x7f"
                                                                                 "ELF";
    TRY_VOID(root_->put(job_.program, 0755, program));
    for (size_t i = 0; i < job_.files.size(); ++i)
      TRY_VOID(
          root_->put(job_.files[i].path, job_.files[i].mode, fds_[job_fds_min + (job_.has_input ? 1 : 0) + i].get()));
    if (::access(job_.cwd.c_str(), F_OK) != 0) TRY_VOID(root_->make_folder(job_.cwd));
    return root_->limit(job_.limits);
  }

  Result<void> make_network() {
    TRY_VOID(loopback_up());
    TRY_VOID(whole_internet_to_loopback());
    sink_.emplace(TRY(Sink::open(!plan_.all_ports, [this](const Connection& met) { tell(met); })));
    return {};
  }

  /// A job without a network gets one without anything in it, not even loopback.
  Result<void> leave_network() {
    if (job_.network == Network::sink) {
      if (!plan_.all_ports)
        notes_.emplace_back("the sink listens at the usual ports only: no BPF program brings the others to it");
      return {};
    }
    sink_.reset();
    if (::unshare(CLONE_NEWNET) != 0) return errno_error("network namespace");
    return {};
  }

  void tell(const Connection& met) const {
    static_cast<void>(say(link_, Word::met,
                          dump_json({{"protocol", met.protocol},
                                     {"address", met.address},
                                     {"sent", met.sent_bytes},
                                     {"received", met.received_bytes},
                                     {"first", json_bytes(met.first_bytes)}})));
  }

  Result<void> make_plan(int landlock) {
    if (!job_.has_input) {
      nothing_ = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
      if (!nothing_.valid()) return errno_error("/dev/null");
    }
    launch_.program = fds_[4].get();
    launch_.path = job_.program;
    launch_.cwd = job_.cwd;
    launch_.input = job_.has_input ? fds_[5].get() : nothing_.get();
    launch_.output = fds_[2].get();
    launch_.error = fds_[3].get();
    launch_.landlock = landlock;
    launch_.limits = job_.limits;
    launch_.limit_data = plan_.limit_data;
    if (job_.arguments.empty()) job_.arguments.push_back(job_.program);
    for (auto& word : job_.arguments) launch_.arguments.push_back(word.data());
    for (auto& word : job_.environment) launch_.environment.push_back(word.data());
    launch_.arguments.push_back(nullptr);
    launch_.environment.push_back(nullptr);
    return {};
  }

  void forget_signals() const {
    signalfd_siginfo ignored{};
    while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {
    }
  }

  /// Takes what has ended. False when nothing is left.
  bool reap() {
    for (;;) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, WNOHANG | __WALL);
      if (pid == 0) return true;
      if (pid < 0) return errno == EINTR;
      if (pid != launched_->pid()) continue;
      if (launched_->failed_step() != nullptr) {
        const auto why = errno_error(std::string("the program cannot start: ") + launched_->failed_step(),
                                     launched_->failed_errno());
        static_cast<void>(say(link_, Word::failed, why.message));
      } else {
        static_cast<void>(say(link_, Word::ended, std::to_string(status)));
      }
    }
  }

  int link_;
  const InitPlan& plan_;
  Steps steps_;
  std::vector<std::string> notes_;
  Fd signals_, network_, nothing_;
  std::optional<Root> root_;
  std::optional<Sink> sink_;
  Job job_;
  std::vector<Fd> fds_;  // the job's: JSON, filter, output, error, program, then input and files
  Launch launch_;
  std::optional<Launched> launched_;
};

}  // namespace

void run_init(Fd link, const InitPlan& plan) {
  // Nothing of who started us comes along but the link, at a place of its own.
  if (::dup3(link.get(), link_fd, O_CLOEXEC) < 0 && link.get() != link_fd) ::_exit(1);
  static_cast<void>(link.release());
  ::syscall(SYS_close_range, 4u, ~0u, 0);
  for (const int standard : {0, 1, 2}) {
    ::close(standard);
    ::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
  Init init(link_fd, plan);
  auto done = init.take_signals();
  if (done) done = init.prepare();
  if (done) done = init.start();
  if (done) done = init.watch();
  if (!done) static_cast<void>(say(link_fd, Word::failed, done.error().message));
  ::_exit(done ? 0 : 1);
}

}  // namespace shrike::sandbox::process
