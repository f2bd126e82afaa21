#include "sandbox/microvm/vmm.h"

#include <linux/sched.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ctime>

#include "common/base/clock.h"
#include "sandbox/microvm/jail.h"
#include "sandbox/microvm/vmm_process.h"
#include "sandbox/pidfd.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint64_t second_ns = 1'000'000'000;

constexpr uint64_t test_bytes = 2u << 20;

// Everything that looks at files or asks the kernel for what it may not be asked for in the jail.
void warm_up() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  EVP_Digest("", 0, digest, &bytes, EVP_sha256(), nullptr);
  static_cast<void>(boot_now_ns());
}

struct Pair {
  Fd ours, its;
};

Result<Pair> make_pair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return errno_error("socketpair");
  return Pair{Fd(fds[0]), Fd(fds[1])};
}

uint64_t ns_of(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * second_ns + static_cast<uint64_t>(time.tv_usec) * 1000;
}

}  // namespace

Result<VmmHost> VmmHost::open(const HostView& view) {
  VmmHost host;
  host.kvm = TRY(open_kvm());
  host.features = TRY(Features::read(host.kvm));
  host.features.tested = TRY(Machine::create(host.kvm, host.features, test_bytes))->abilities();
  warm_up();
  host.empty = TRY(empty_namespaces());
  host.tree = std::make_unique<HostTree>(TRY(HostTree::open(view)));
  host.tree->warm();
  return host;
}

Result<std::unique_ptr<Vmm>> Vmm::start(const VmmHost& host, const VmmOptions& options) {
  Pair channel = TRY(make_pair(SOCK_STREAM));
  Pair broker = TRY(make_pair(SOCK_SEQPACKET));
  host.tree->refresh();
  std::unique_ptr<Vmm> vmm(new Vmm(options, Broker(*host.tree, std::move(broker.ours)), std::move(channel.ours),
                                   TRY(SharedOrders::create())));
  TRY_VOID(give_orders(*vmm->orders_));
  auto [parents_end, mapped] = TRY(make_pair(SOCK_SEQPACKET));
  int pidfd = -1;
  clone_args args{};
  args.flags = jail_clone_flags(host.empty.valid()) | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return errno_error("clone3 of a machine's process");
  if (pid == 0)
    run_vmm_process({channel.its.get(), broker.its.get(), host.kvm.get(), &host.empty, &host.features, host.tree.get(),
                     &*vmm->orders_, options, parents_end.get(), mapped.get()});
  vmm->pid_ = static_cast<pid_t>(pid);
  vmm->pidfd_.reset(pidfd);
  if (!host.empty.valid() && TRY(map_jail(vmm->pid_)) && ::write(parents_end.get(), "m", 1) != 1)
    return errno_error("a machine's process");
  return vmm;
}

bool Vmm::ready_again() {
  constexpr int patience_ms = 1000;
  for (;;) {
    const auto frame = frames_.next();
    if (!frame) return false;
    if (const auto& taken = frame.value(); taken) return taken->first == sandbox::Frame::begun;
    pollfd there{channel_.get(), POLLIN, 0};
    if (::poll(&there, 1, patience_ms) <= 0) return false;
    const auto more = frames_.read();
    if (!more || !*more) return false;
  }
}

Result<void> give_orders(Orders& orders) {
  orders.stop.store(0);
  orders.wall_start_ns = wall_now_ns();
  if (::getrandom(&orders.seed, sizeof orders.seed, 0) != sizeof orders.seed) return errno_error("getrandom");
  return {};
}

uint64_t Vmm::cpu_ns() const {
  if (status_) return cpu_ns_;
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<uint64_t>(time.tv_sec) * second_ns + static_cast<uint64_t>(time.tv_nsec);
}

void Vmm::kill() { kill_pidfd(pidfd_); }

int Vmm::wait() {
  if (status_) return *status_;
  int status = 0;
  rusage usage{};
  while (::wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) continue;
  cpu_ns_ = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
  status_ = status;
  return status;
}

Vmm::~Vmm() {
  if (pid_ < 0) return;
  kill();
  wait();
}

}  // namespace shrike::sandbox::microvm
