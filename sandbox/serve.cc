#include "sandbox/serve.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "sandbox/channel.h"
#include "sandbox/pidfd.h"
#include "sandbox/report.h"
#include "sandbox/serve_words.h"

namespace shrike::sandbox {

namespace {

constexpr unsigned slots_max = 64;
constexpr int tick_ms = 100, soon_ms = 10;
constexpr uint64_t replaced_after_ns = 10'000'000;
constexpr uint64_t rest_after_ns = 10'000'000'000;

Result<Fd> listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{path + ": is too long for a socket's path"};
  path.copy(address.sun_path, path.size());
  if (const size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0)
    TRY_VOID(make_dirs(path.substr(0, slash)));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return errno_error("socket");
  // One that answers is another service's; one that does not was left behind.
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
    return Error{path + ": another service listens there"};
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(socket.get(), 128) != 0) return errno_error(path);
  return socket;
}

/// Without waiting: a client that does not listen has nothing to hear.
void tell_last(int client, Frame type, const std::string& text) {
  const std::string frame = frame_header(type, text.size()) + text;
  ::send(client, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void note(const std::string& text) { std::fprintf(stderr, "shrike-sandbox: %s\n", text.c_str()); }

}  // namespace

std::optional<unsigned> Service::free_slot() const {
  for (unsigned slot = 0; slot < slots_max; ++slot)
    if (std::none_of(workers_.begin(), workers_.end(), [&](const Worker& w) { return w.slot == slot; })) return slot;
  return std::nullopt;
}

Service::Worker* Service::start_worker() {
  const auto slot = free_slot();
  int fds[2];
  if (!slot || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) return nullptr;
  Worker worker;
  worker.control = Fd(fds[0]);
  worker.slot = *slot;
  Fd theirs(fds[1]);
  backends_.reserve(*slot);
  const pid_t service = ::getpid();
  worker.pid = ::fork();
  if (worker.pid < 0) return nullptr;
  if (worker.pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (::getppid() != service) ::_exit(1);
    // Nothing of the service's but its end of the pair: others' ends must close when the service closes them.
    worker.control.reset();
    workers_.clear();
    Fd listener = std::move(listener_);
    signals_.reset();
    ledger_.abandon();
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    run_worker(backends_, *slot, std::move(theirs), std::move(listener));
    ::_exit(0);
  }
  worker.pidfd = open_pidfd(worker.pid);
  workers_.push_back(std::move(worker));
  return &workers_.back();
}

// The next one is made a moment after one was taken, while any is left: making it takes processors from the job that
// has just begun.
void Service::keep_ready() {
  auto waiting = static_cast<size_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& w) { return !w.taken && !w.gone; }));
  if (waiting > 0 && boot_now_ns() - taken_ns_ < replaced_after_ns) return;
  for (; waiting < options_.ready; ++waiting)
    if (start_worker() == nullptr) return;
}

void Service::answer(Worker& worker, const std::string& caller, const std::string& id, const Usage& most) {
  ServeWord word;
  word.kind = ServeWord::Kind::answer;
  word.verdict = static_cast<uint8_t>(Ledger::Answer::refused);
  Fd report;
  auto active = backends_.activate(true);
  idle_since_ns_ = 0;
  auto verdict = worker.begun || !active
                     ? Result<Ledger::Verdict>(active ? Error{"one job for one client"} : active.error())
                     : ledger_.begin(caller, id, most, wall_now_ns());
  if (!verdict) {
    word.text = verdict.error().message;
  } else {
    word.verdict = static_cast<uint8_t>(verdict->answer);
    if (verdict->answer == Ledger::Answer::refused) word.text = verdict->text;
    if (verdict->answer == Ledger::Answer::repeated) {
      auto sealed = sealed_bytes(verdict->text, "report");
      if (!sealed) return;
      report = std::move(*sealed);
    }
    if (verdict->answer == Ledger::Answer::begin) {
      worker.begun = true;
      worker.caller = caller;
      worker.id = id;
      worker.most = most;
    }
  }
  static_cast<void>(send_word(worker.control.get(), word, report.get()));
}

void Service::hear(Worker& worker) {
  auto heard = receive_word(worker.control.get());
  if (!heard || !*heard) return worker.control.reset();  // its end is told by the pidfd
  auto& [word, fd] = **heard;
  if (word.kind == ServeWord::Kind::taken) {
    worker.taken = true;
    worker.client = std::move(fd);
    taken_ns_ = boot_now_ns();
    return;
  }
  if (word.kind == ServeWord::Kind::ask) return answer(worker, word.caller, word.id, word.usage);
  if (word.kind != ServeWord::Kind::ended || !worker.begun) return;
  auto report = text_of_fd(fd.get());
  auto kept = ledger_.end(worker.caller, worker.id, word.usage, report ? *report : std::string(), wall_now_ns());
  if (!kept) note(kept.error().message);
  worker.begun = false;
  static_cast<void>(send_word(worker.control.get(), {ServeWord::Kind::kept, {}, {}, {}, {}, 0}));
}

void Service::bury(Worker& worker, const std::string& why) {
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(worker.pidfd.get()), &info, WEXITED) != 0 &&
         errno == EINTR) {
  }
  worker.gone = true;
  worker.pidfd.reset();
  worker.control.reset();
  if (worker.begun) {
    // All it might have used, because nobody knows.
    Report report;
    report.id = worker.id;
    report.cause = why.empty() ? "the process of this job ended, code " + std::to_string(info.si_status) : why;
    note("job " + worker.id + ": " + report.cause);
    const std::string text = report_to_json(report);
    tell_last(worker.client.get(), Frame::report, text);
    if (auto kept = ledger_.end(worker.caller, worker.id, worker.most, text, wall_now_ns()); !kept)
      note(kept.error().message);
  }
  worker.client.reset();
}

bool Service::clear(const Worker& worker) { return worker.gone && backends_.release(worker.slot, worker.pid); }

void Service::stop() {
  for (auto& worker : workers_)
    if (!worker.gone) kill_pidfd(worker.pidfd);
  for (auto& worker : workers_)
    if (!worker.gone) bury(worker, "the service was stopped");
  for (int tries = 0; tries < 50 && !workers_.empty(); ++tries) {
    std::erase_if(workers_, [this](const Worker& worker) { return clear(worker); });
    if (!workers_.empty()) ::poll(nullptr, 0, tick_ms);
  }
}

/// After a while without a job nobody on this host pays for the trace.
void Service::rest() {
  if (std::any_of(workers_.begin(), workers_.end(), [](const Worker& worker) { return worker.begun; })) {
    idle_since_ns_ = 0;
    return;
  }
  const uint64_t now = boot_now_ns();
  if (idle_since_ns_ == 0) idle_since_ns_ = now;
  if (now - idle_since_ns_ >= rest_after_ns) static_cast<void>(backends_.activate(false));
}

Result<void> Service::run() {
  keep_ready();
  for (;;) {
    std::vector<pollfd> fds = {{signals_.get(), POLLIN, 0}};
    std::vector<Worker*> order;
    for (auto& worker : workers_) {
      order.push_back(&worker);
      fds.push_back({worker.control.get(), POLLIN, 0});
      fds.push_back({worker.pidfd.get(), POLLIN, 0});
    }
    const bool soon = boot_now_ns() - taken_ns_ < replaced_after_ns;
    if (::poll(fds.data(), fds.size(), soon ? soon_ms : tick_ms) < 0 && errno != EINTR) return errno_error("poll");
    if (fds[0].revents != 0) break;
    for (size_t i = 0; i < order.size(); ++i) {
      if (fds[1 + 2 * i].revents != 0) hear(*order[i]);
      // Its last words first.
      if (fds[2 + 2 * i].revents != 0 && (fds[1 + 2 * i].revents & POLLIN) == 0) bury(*order[i], "");
    }
    std::erase_if(workers_, [this](const Worker& worker) { return clear(worker); });
    keep_ready();
    rest();
  }
  stop();
  return {};
}

Result<void> run_serve(const ServeOptions& options) {
  if (::geteuid() != 0)
    return Error{"the service is root's: without it each client starts a shrike-sandbox of its own"};
  TRY_VOID(make_dirs(options.state, 0700));
  Quota quota = options.quota;
  quota.cpu_ns_per_hour = options.cpu_s * 1'000'000'000;
  auto ledger = TRY(Ledger::open(options.state + "/ledger", quota, wall_now_ns()));
  if (!ledger.note().empty()) note(ledger.note());
  auto backends = TRY(Backends::open(options.ebpf, !options.new_machines));
  for (const auto& missing : backends.notes()) note(missing);
  sigset_t ends;
  ::sigemptyset(&ends);
  ::sigaddset(&ends, SIGTERM);
  ::sigaddset(&ends, SIGINT);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  Fd signals(::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) return errno_error("signalfd");
  Fd listener = TRY(listen_at(options.socket));
  Service service(backends, ledger, std::move(listener), std::move(signals), options);
  ::sd_notify(0, "READY=1");
  const auto done = service.run();
  ::unlink(options.socket.c_str());
  return done;
}

}  // namespace shrike::sandbox
