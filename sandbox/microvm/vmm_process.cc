#include "sandbox/microvm/vmm_process.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <optional>

#include "common/base/clock.h"
#include "sandbox/microvm/guest.h"
#include "sandbox/microvm/jail.h"
#include "sandbox/microvm/rehearsal.h"
#include "sandbox/microvm/vmm_filter.h"

namespace shrike::sandbox::microvm {
namespace {

// Where arrange_descriptors() puts what is kept.
constexpr int channel_fd = 3, broker_fd = 4, kvm_fd = 5, first_joined = 6, error_fd = 2;
constexpr int joined_count = 5;
constexpr int exit_closed = 0, exit_failed = 1, exit_not_reset = 2;
// Beside guest memory: what the process itself may need, files in memory included.
constexpr uint64_t own_bytes = 1u << 30;

// What is taken ahead of guest memory, and of the process's own.
constexpr uint64_t guest_ahead_bytes = 2u << 20;
constexpr size_t own_ahead_bytes = 1u << 20;

struct Prepared {
  std::unique_ptr<Machine> machine;
  std::vector<Step> steps;
  std::vector<std::string> notes;
};

// Memory costs a microsecond a page when it is first touched.
void take_own_memory() {
  const std::vector<char> own(own_ahead_bytes, 1);
  static_cast<void>(own);
}

// What makes the process's surroundings and then the machine, each step with the time that it took.
class Preparation {
 public:
  explicit Preparation(const VmmPlan& plan) : plan_(plan) {}

  Result<void> enter(bool mapped) {
    std::vector<int> join;
    if (plan_.empty->valid())
      for (int fd = first_joined; fd < first_joined + joined_count; ++fd) join.push_back(fd);
    TRY_VOID(enter_jail(join, mapped));
    TRY_VOID(give_up_rights(made_.notes));
    // Its memory goes when it does, a job's at most: none is given back before.
    ::mallopt(M_TRIM_THRESHOLD, INT_MAX);
    ::mallopt(M_MMAP_THRESHOLD, own_ahead_bytes * 2);
    if (plan_.options.ahead || plan_.options.late) take_own_memory();
    done("jail");
    return {};
  }

  Result<void> make_machine() {
    {
      const Fd kvm(kvm_fd);
      made_.machine = TRY(Machine::create(kvm, *plan_.features, plan_.options.memory_bytes));
    }
    done("machine");
    if (plan_.options.again) {
      TRY_VOID(made_.machine->keep_template());
      done("template");
    }
    if (plan_.options.ahead) {
      made_.machine->physical().touch(guest_ahead_bytes);
      done("memory");
    }
    return {};
  }

  Result<void> close() {
    const Physical& physical = made_.machine->physical();
    VmmFilterPlan filter;
    filter.kvm_requests = Machine::kvm_requests(plan_.options.again);
    filter.guest_begin = reinterpret_cast<uint64_t>(physical.host());
    filter.guest_end = filter.guest_begin + physical.size_bytes() + physical.tables_bytes();
    filter.channel = channel_fd;
    filter.broker = broker_fd;
    filter.error = error_fd;
    const JailLimits limits{.address_space_bytes = physical.size_bytes() + physical.tables_bytes() + own_bytes};
    TRY_VOID(close_jail(limits, vmm_filter(filter)));
    done("filter");
    return {};
  }

  void done(const char* name) {
    const uint64_t now = boot_now_ns();
    made_.steps.push_back({name, now - last_});
    last_ = now;
  }
  void begin_step() { last_ = boot_now_ns(); }
  Prepared& made() { return made_; }

 private:
  const VmmPlan& plan_;
  Prepared made_;
  uint64_t last_ = boot_now_ns();
};

// Nothing of the job is read yet: only once the jail is closed.
void wait_for_job() {
  pollfd there{channel_fd, POLLIN, 0};
  while (::poll(&there, 1, -1) < 0 && errno == EINTR) continue;
}

Report one_job(Machine& machine, Channel& channel, GuestFiles guest_files, const Orders& orders, Message message) {
  const uint64_t received = boot_now_ns();
  const auto failed = [](const Error& error) {
    Report report;
    report.status = Status::setup_error;
    report.cause = error.message;
    return report;
  };
  auto job = job_from_json(message.payload);
  if (!job) return failed(job.error());
  auto files = job_files(*job, std::move(message.fds));
  if (!files) return failed(files.error());
  return run_guest(machine, channel, std::move(guest_files), orders, *job, std::move(*files), received);
}

}  // namespace

void run_vmm_process(const VmmPlan& plan) {
  ::close(plan.parents_end);
  char byte = 0;
  // Who joins namespaces has none to be mapped, and nothing to wait for.
  const bool mapped = !plan.empty->valid() && ::read(plan.mapped, &byte, 1) == 1;
  std::vector<int> keep{plan.channel, plan.broker, plan.kvm};
  if (const EmptyNamespaces& empty = *plan.empty; empty.valid())
    for (const Fd* fd : {&empty.mounts, &empty.network, &empty.ipc, &empty.names, &empty.cgroups})
      keep.push_back(fd->get());
  if (!arrange_descriptors(keep)) ::_exit(exit_failed);
  Channel channel{Fd(channel_fd)};
  const auto need = [&channel](const Result<void>& done) {
    if (done) return;
    static_cast<void>(channel.send(sandbox::Frame::refused, done.error().message));
    ::_exit(exit_failed);
  };
  Preparation preparation(plan);
  need(preparation.enter(mapped));
  const std::unique_ptr<Tree> broker = broker_tree(Fd(broker_fd)), host_files = known_tree(*plan.known, *broker);
  std::optional<GuestFiles> guest_files(std::in_place, *host_files, *plan.orders);
  preparation.done("tree");
  if (plan.options.late) {
    need(rehearse_without_machine(*host_files, *plan.orders));
    wait_for_job();
    preparation.begin_step();
  }
  need(preparation.make_machine());
  need(preparation.close());
  Prepared& made = preparation.made();
  if (plan.options.ahead) {
    need(rehearse(*made.machine, made.machine->physical(), *host_files, *plan.orders));
    preparation.done("rehearsal");
  }
  for (bool first = true;; first = false) {
    if (!first) guest_files.emplace(*host_files, *plan.orders);
    auto message = channel.receive();
    if (!message || !*message || (*message)->type != sandbox::Frame::job) ::_exit(exit_closed);
    Report report = one_job(*made.machine, channel, std::move(*guest_files), *plan.orders, std::move(**message));
    if (first) report.steps.insert(report.steps.begin(), made.steps.begin(), made.steps.end());
    report.notes.insert(report.notes.end(), made.notes.begin(), made.notes.end());
    if (!channel.send(sandbox::Frame::report, report_to_json(report))) ::_exit(exit_closed);
    if (!plan.options.again) ::_exit(exit_closed);
    if (!made.machine->reset() || !made.machine->check_reset()) ::_exit(exit_not_reset);
    if (!give_orders(*plan.orders) || !channel.send(sandbox::Frame::begun, {})) ::_exit(exit_closed);
  }
}

}  // namespace shrike::sandbox::microvm
