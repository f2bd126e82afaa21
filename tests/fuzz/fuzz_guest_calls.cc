// link: shrike_vm_kernel
// Threat model: the guest is the attacker. It makes any system call with any arguments, from any number of threads and
// processes, faults and traps wherever it likes, and changes its memory between two looks. Handlers must not crash,
// must not touch anything of the host's (the thread that runs them is killed at the first call that takes a path or
// waits), must end in bounded steps, must tell every call once and in bounds, and must give all memory back.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <semaphore>
#include <thread>

#include "sandbox/microvm/kernel/call_table.h"
#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"
#include "tests/unit/vm_kernel/elf_maker.h"

namespace {
using namespace shrike;
using namespace shrike::sandbox;
using namespace shrike::sandbox::microvm;

constexpr uint64_t memory_bytes = 16u << 20;
constexpr uint64_t data_at = 0x500000;
constexpr size_t data_bytes = 0x10000;
constexpr size_t looks_most = 20'000'000;  // at the clock: the loop cannot turn without

void check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_guest_calls: %s\n", what);
  std::abort();
}

/// The fuzzer's bytes, zeros behind the end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return at_ >= size_; }
  uint8_t byte() { return empty() ? uint8_t{0} : data_[at_++]; }
  uint64_t word(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

class HostileCpu final : public Cpu {
 public:
  explicit HostileCpu(Input& input) : input_(input) {}
  System* system = nullptr;

  Exit run(Context& context, PageTable&, uint64_t) override {
    Exit exit;
    Registers& registers = context.registers;
    while (true) {
      const uint8_t what = input_.byte();
      switch (input_.empty() ? 255 : what % 16) {
        case 0:
          exit.kind = Exit::Kind::fault;
          exit.address = value();
          exit.write = (what & 16) != 0;
          exit.execute = (what & 32) != 0;
          return exit;
        case 1:
          exit.kind = Exit::Kind::exception;
          exit.vector = input_.byte();
          return exit;
        case 2:
          exit.kind = (what & 16) != 0 ? Exit::Kind::foreign_call : Exit::Kind::violation;
          exit.what = "jump into the stub";
          registers.rax = value();
          return exit;
        case 3:
          exit.kind = Exit::Kind::interrupted;
          return exit;
        case 4:
          registers.rsp = value();
          continue;
        case 5:
        case 6:
          change_memory();
          continue;
        case 255:
          registers.rax = SYS_exit_group;
          exit.kind = Exit::Kind::call;
          return exit;
        default:
          return system_call(registers, what);
      }
    }
  }
  void save(Context& context) override {
    if (context.fpu.empty()) context.fpu.resize(832);
  }
  void forget(Context& context) override { context.fpu.clear(); }

 private:
  Exit system_call(Registers& registers, uint8_t what) {
    const uint64_t number = input_.byte();
    registers.rax = what % 16 == 7 ? value() : all_calls()[number * all_calls().size() / 256].number;
    if (what % 16 != 7 && (what & 128) != 0) registers.rax = all_calls()[(number + 128) % all_calls().size()].number;
    for (uint64_t* argument :
         {&registers.rdi, &registers.rsi, &registers.rdx, &registers.r10, &registers.r8, &registers.r9})
      *argument = value();
    Exit exit;
    exit.kind = Exit::Kind::call;
    return exit;
  }

  // What handlers are most likely to get wrong: edges, and pointers into memory that the input has filled.
  uint64_t value() {
    static constexpr uint64_t edges[] = {0,
                                         1,
                                         2,
                                         3,
                                         4095,
                                         4096,
                                         4097,
                                         0x7fffffff,
                                         0x80000000,
                                         0xffffffff,
                                         user_lowest,
                                         user_highest - 1,
                                         user_highest,
                                         uint64_t{1} << 47,
                                         uint64_t{1} << 63,
                                         UINT64_MAX,
                                         UINT64_MAX - 4095,
                                         INT64_MAX,
                                         0xffffff9c};
    const uint8_t kind = input_.byte();
    switch (kind % 8) {
      case 0:
        return edges[(kind / 8) % std::size(edges)];
      case 1:
        return kind / 8;
      case 2:
        return input_.byte();
      case 3:
        return data_at + input_.word(2);
      case 4:
        return data_at + data_bytes - kind / 8;
      case 5:
        return input_.word(8);
      case 6:
        return uint64_t{1} << kind / 8;
      default:
        return data_at + (kind / 8) * 64;
    }
  }

  void change_memory() {
    static constexpr const char* texts[] = {
        "/etc/motd", "/tmp/a",     "/tmp/a/b", "..",        "/proc/self/maps", "/proc/self/fd/1",
        "/bin/one",  "/proc/self", "a",        "/dev/null", "/dev/zero",       "/tmp/../proc/2/exe"};
    const UserMemory memory(*system->current->process->space);
    const uint8_t kind = input_.byte();
    const uint64_t at = data_at + (kind / 8) * 64;
    if (kind % 2 == 0) {
      const std::string text = texts[input_.byte() % std::size(texts)];
      (void)memory.write(at, std::as_bytes(std::span(text.c_str(), text.size() + 1)));
    } else {
      for (size_t i = 0; i < 4; ++i) (void)memory.put(at + 8 * i, value());
    }
  }

  Input& input_;
};

/// Counts, and looks at what is told.
class Checker final : public CallSink {
 public:
  void call(const Call& call) override {
    check(call.seq >= next_, "a thing was told out of order");
    next_ = call.seq + 1;
    check(call.texts.size() <= call_texts_max, "too many texts");
    for (const CallText& text : call.texts) check(text.text.size() <= call_text_max, "a text is too long");
  }

 private:
  uint64_t next_ = 0;
};

void attack(const uint8_t* bytes, size_t size) {
  Input input(bytes, size);
  auto physical = Physical::create(memory_bytes);
  check(physical.ok(), "no memory");
  {
    const std::string program = shrike::sandbox::microvm::testing::make_elf();
    FileSystem files(memory_tree({{"etc/motd", "welcome\n"}, {"tmp/", ""}}), FileQuota{1u << 20, 64, 1u << 20, 64},
                     [] { return uint64_t{0}; });
    check(files.put("/bin/one", 0755, program) == 0, "the program cannot be put in");
    HostileCpu cpu(input);
    Checker checker;
    KernelOptions options;
    options.profile = input.byte() % 4 == 0 ? Profile::strict : Profile::observe;
    options.limits.memory_bytes = memory_bytes;
    options.limits.processes = 8;
    options.limits.wall = std::chrono::milliseconds(2000);
    size_t looks = 0;
    options.host_ns = [&looks] {
      check(++looks < looks_most, "the loop does not end");
      return uint64_t{looks} * 1000;
    };
    size_t written = 0;
    options.output = [&written](int, std::string_view text) { written += text.size(); };
    System system(cpu, physical.value(), files, checker, std::move(options));
    cpu.system = &system;
    Report report;
    check(system.start("/bin/one", {"one"}, {}, "/tmp", nullptr).ok(), "the program does not start");
    system.run(report);
    check(report.status != Status::internal_error && report.status != Status::setup_error, "an error of our own");
    check(report.refusals.size() <= report_list_max && report.processes.size() <= report_list_max,
          "a list is too long");
    check(report.peak_memory_bytes <= memory_bytes + (2u << 20), "more memory than the job has");
  }
  check(physical->used_bytes() == 0, "memory was not given back");
}

struct Work {
  const uint8_t* data = nullptr;
  size_t size = 0;
  std::binary_semaphore begin{0}, end{0};
};
Work* running = nullptr;  // for the signal handler only

// The filtered thread cannot write an artefact: the input goes to standard error, as hexadecimal digits.
void on_forbidden(int, siginfo_t* info, void*) {
  char line[64];
  const auto say = [&](int length) {
    if (::write(2, line, static_cast<size_t>(length)) < 0) std::_Exit(78);
  };
  say(std::snprintf(line, sizeof line, "\nfuzz_guest_calls: host call %d; input: ", info->si_syscall));
  for (size_t i = 0; running != nullptr && i < running->size; ++i)
    say(std::snprintf(line, sizeof line, "%02x", running->data[i]));
  say(std::snprintf(line, sizeof line, "\n"));
  std::_Exit(77);
}

// From here on this thread reaches no path, no socket, no process, and never waits but for the next input.
void forbid() {
  static constexpr unsigned forbidden[] = {
      SYS_open,     SYS_openat,   SYS_openat2,   SYS_creat,      SYS_stat,        SYS_lstat,           SYS_newfstatat,
      SYS_statx,    SYS_access,   SYS_faccessat, SYS_faccessat2, SYS_readlink,    SYS_readlinkat,      SYS_execve,
      SYS_execveat, SYS_unlink,   SYS_unlinkat,  SYS_rename,     SYS_renameat,    SYS_renameat2,       SYS_mkdir,
      SYS_mkdirat,  SYS_rmdir,    SYS_link,      SYS_linkat,     SYS_symlink,     SYS_symlinkat,       SYS_chdir,
      SYS_chmod,    SYS_fchmodat, SYS_chown,     SYS_truncate,   SYS_socket,      SYS_connect,         SYS_kill,
      SYS_clone,    SYS_clone3,   SYS_fork,      SYS_vfork,      SYS_nanosleep,   SYS_clock_nanosleep, SYS_poll,
      SYS_ppoll,    SYS_select,   SYS_pselect6,  SYS_epoll_wait, SYS_epoll_pwait, SYS_pause,           SYS_ptrace,
      SYS_mount,    SYS_ioctl,    SYS_read,      SYS_pread64};
  std::vector<sock_filter> code;
  code.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const unsigned number : forbidden) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  struct sigaction action {};
  action.sa_sigaction = on_forbidden;
  action.sa_flags = SA_SIGINFO;
  check(sigaction(SIGSYS, &action, nullptr) == 0, "no handler for SIGSYS");
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0,
        "no seccomp filter");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Work job;
  static std::jthread worker([](std::stop_token) {
    // Reports of sanitizers need files of the host's: SHRIKE_FUZZ_UNGUARDED=1 shows them.
    if (std::getenv("SHRIKE_FUZZ_UNGUARDED") == nullptr) forbid();
    while (true) {
      job.begin.acquire();
      if (job.data == nullptr) return;
      attack(job.data, job.size);
      job.end.release();
    }
  });
  static const struct Stop {
    ~Stop() {
      job.data = nullptr;
      job.begin.release();
    }
  } stop;
  static const uint8_t nothing = 0;
  job.data = size == 0 ? &nothing : data;
  job.size = size;
  running = &job;
  job.begin.release();
  job.end.acquire();
  return 0;
}
