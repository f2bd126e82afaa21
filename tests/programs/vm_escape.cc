// Misbehaves: attempts on the machine that it runs in. Each word is one attempt, made in a process of its own; then
// says "WORD exit CODE" or "WORD signal NUMBER". An attempt that goes on afterwards exits with 77.
//   vm_escape TABLES CODE WORD...: addresses of the machine's descriptor tables and of its code, hexadecimal
// `calls` makes every system call with edge values in every argument.

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace {

uint64_t tables = 0, code = 0;
constexpr int went_on = 77;
constexpr uint64_t no_address = 0x8000'0000'0000, also_none = 0xdead'0000'0000'0000;

template <class T = volatile uint64_t>
T* at(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

// Makes the bytes a function and calls it, with `stack` in rsp if that is not 0.
[[noreturn]] void execute(const std::vector<uint8_t>& bytes, uint64_t stack = 0) {
  void* page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(page, 0x90, 4096);
  std::memcpy(page, bytes.data(), bytes.size());
  static_cast<uint8_t*>(page)[4095] = 0xc3;  // what goes on comes back
  if (stack == 0)
    asm volatile("call *%0" : : "r"(page) : "memory");
  else
    asm volatile("mov %1, %%rsp; jmp *%0" : : "r"(page), "r"(stack) : "memory");
  ::_exit(went_on);
}

void jump(uint64_t address) { asm volatile("jmp *%0" : : "r"(address)); }

// Comes back from a signal to `rip`, on `stack`.
uint64_t back_rip = 0, back_stack = 0;
void returning(int, siginfo_t*, void* context) {
  auto* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  registers[REG_RIP] = static_cast<greg_t>(back_rip);
  if (back_stack != 0) registers[REG_RSP] = static_cast<greg_t>(back_stack);
}
void come_back(uint64_t rip, uint64_t stack = 0) {
  back_rip = rip;
  back_stack = stack;
  struct sigaction action {};
  action.sa_sigaction = returning;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGUSR1, &action, nullptr);
  ::raise(SIGUSR1);
}

// A system call in the last bytes of the address space: it returns to where no address is.
void call_at_the_end() {
  constexpr uint64_t last = 0x7fff'ffff'f000 - 4096;
  void* page =
      ::mmap(at<void>(last), 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (page == MAP_FAILED) ::_exit(78);
  auto* end = static_cast<uint8_t*>(page) + 4094;
  end[0] = 0x0f;
  end[1] = 0x05;
  asm volatile("mov $39, %%eax; jmp *%0" : : "r"(end) : "rax", "rcx", "r11", "memory");
}

const std::vector<uint8_t> ud2{0x0f, 0x0b}, divide{0x31, 0xc9, 0xf7, 0xf1}, fault{0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0};

// Each exception with a stack that is none: all of them must be the process's own.
void bad_stacks() {
  for (const auto& bytes : {ud2, std::vector<uint8_t>{0xcc}, divide, std::vector<uint8_t>{0xf4}, fault,
                            std::vector<uint8_t>{0x50}, std::vector<uint8_t>{0x48, 0xcf}, std::vector<uint8_t>{0xc3}})
    for (const uint64_t stack : {uint64_t{1}, no_address, also_none, tables, code + 0x800, ~uint64_t{0} - 7}) {
      const pid_t pid = ::fork();
      if (pid == 0) execute(bytes, stack);
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (!WIFSIGNALED(status)) ::_exit(went_on);
    }
  ::_exit(0);
}

void map_tables() {
  for (const uint64_t address : {tables, code, uint64_t{0x7fff'ffff'f000}, no_address, ~uint64_t{0xfff}})
    if (::mmap(at<void>(address), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
            MAP_FAILED ||
        ::mprotect(at<void>(address), 4096, PROT_READ | PROT_WRITE) == 0 || ::munmap(at<void>(address), 4096) == 0 ||
        ::mremap(at<void>(address), 4096, 8192, MREMAP_MAYMOVE) != MAP_FAILED ||
        ::madvise(at<void>(address), 4096, MADV_DONTNEED) == 0)
      ::_exit(went_on);
  ::_exit(0);
}

// The kernel's own access instead of the program's: must be EFAULT, whatever the call.
void tables_by_call() {
  const int null = ::open("/dev/null", O_WRONLY), zero = ::open("/dev/zero", O_RDONLY);
  int pair[2];
  if (null < 0 || zero < 0 || ::pipe(pair) != 0) ::_exit(78);
  for (const uint64_t address : {tables, tables + 8, code, code + 0x800, no_address, also_none})
    if (::write(pair[1], at<void>(address), 8) >= 0 || ::read(zero, at<void>(address), 8) >= 0 ||
        ::open(at<const char>(address), O_RDONLY) >= 0)
      ::_exit(went_on);
  ::_exit(0);
}

struct Progress {
  std::atomic<long> number, combination;
};
constexpr long calls_end = 470, values_count = 12;
constexpr long combinations = values_count * 6 + values_count;

// Ends or waits by what it is for, not by its arguments.
bool skipped(long number) {
  return number == SYS_exit || number == SYS_exit_group || number == SYS_rt_sigreturn || number == SYS_fork ||
         number == SYS_vfork;
}

void one_call(long number, long combination) {
  const uint64_t values[values_count] = {0,
                                         1,
                                         ~uint64_t{0},
                                         uint64_t{1} << 63,
                                         uint64_t{1} << 31,
                                         0xffffffff,
                                         0x7fff'ffff'efff,
                                         tables,
                                         code,
                                         no_address,
                                         also_none,
                                         4096};
  uint64_t arguments[6] = {0, 0, 0, 0, 0, 0};
  // One argument at an edge at a time, then all at the same.
  if (combination < values_count * 6)
    arguments[combination / values_count] = values[combination % values_count];
  else
    for (uint64_t& each : arguments) each = values[combination - values_count * 6];
  ::syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
}

// In processes that may die of it: the next one goes on behind the call that ended the last.
void every_call() {
  auto* progress = static_cast<Progress*>(
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ::signal(SIGHUP, SIG_IGN);
  while (progress->number < calls_end) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setpgid(0, 0);
      ::signal(SIGALRM, SIG_DFL);
      const pid_t self = ::getpid();
      for (; progress->number < calls_end; ++progress->number, progress->combination = 0) {
        if (skipped(progress->number)) continue;
        while (progress->combination < combinations) {
          const long combination = progress->combination;
          progress->combination = combination + 1;
          ::alarm(1);
          one_call(progress->number, combination);
          if (::getpid() != self) ::_exit(0);
        }
      }
      ::_exit(0);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {
      if (errno != EINTR) break;
    }
    while (::waitpid(-1, &status, WNOHANG) > 0) continue;
  }
  ::_exit(0);
}

const std::map<std::string, std::function<void()>> attempts{
    {"jump_stub", [] { jump(code + 0x800); }},
    {"jump_code", [] { jump(code); }},
    {"write_exit_page", [] { *at(code + 0x800) = 0; }},
    {"read_exit_page", [] { ::_exit(static_cast<int>(*at(code + 0x800)) & 1); }},
    {"write_gdt", [] { *at(tables) = 0; }},
    {"read_gdt", [] { ::_exit(static_cast<int>(*at(tables + 16)) & 1); }},
    {"write_idt", [] { *at(tables + 2 * 4096) = 0; }},
    {"return_to_no_address", [] { come_back(no_address); }},
    {"return_far_out", [] { come_back(also_none); }},
    {"return_to_stub", [] { come_back(code + 0x800); }},
    {"return_on_bad_stack", [] { come_back(reinterpret_cast<uint64_t>(&::abort), no_address); }},
    {"call_at_the_end", call_at_the_end},
    {"bad_stacks", bad_stacks},
    {"map_tables", map_tables},
    {"tables_by_call", tables_by_call},
    {"calls", every_call},
    {"hlt", [] { execute({0xf4}); }},
    {"cli", [] { execute({0xfa}); }},
    {"in",
     [] {
       execute({0xe4, 0x60});
     }},
    {"out",
     [] {
       execute({0xe6, 0x60});
     }},
    {"mov_to_cr3",
     [] {
       execute({0x0f, 0x22, 0xd8});
     }},
    {"mov_from_cr3",
     [] {
       execute({0x0f, 0x20, 0xd8});
     }},
    {"mov_to_dr7",
     [] {
       execute({0x0f, 0x23, 0xf8});
     }},
    {"wrmsr",
     [] {
       execute({0x0f, 0x30});
     }},
    {"rdmsr",
     [] {
       execute({0x0f, 0x32});
     }},
    {"lgdt",
     [] {
       execute({0x0f, 0x01, 0x14, 0x24});
     }},
    {"lidt",
     [] {
       execute({0x0f, 0x01, 0x1c, 0x24});
     }},
    {"ltr",
     [] {
       execute({0x31, 0xc0, 0x0f, 0x00, 0xd8});
     }},
    {"invlpg",
     [] {
       execute({0x0f, 0x01, 0x3c, 0x24});
     }},
    {"swapgs",
     [] {
       execute({0x0f, 0x01, 0xf8});
     }},
    {"sysret",
     [] {
       execute({0x48, 0x0f, 0x07});
     }},
    {"wbinvd",
     [] {
       execute({0x0f, 0x09});
     }},
    {"xsetbv",
     [] {
       execute({0x31, 0xc9, 0x0f, 0x01, 0xd1});
     }},
    {"int_0x21",
     [] {
       execute({0xcd, 0x21});
     }},
    {"int_0x80",
     [] {
       execute({0x31, 0xc0, 0xcd, 0x80});
     }},
    {"sysenter",
     [] {
       execute({0x31, 0xc0, 0x0f, 0x34});
     }},
    {"x32", [] {
       if (::syscall(0x40000000 | SYS_getpid) >= 0) ::_exit(went_on);
       ::_exit(0);
     }}};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  tables = std::strtoull(argv[1], nullptr, 16);
  code = std::strtoull(argv[2], nullptr, 16);
  for (int i = 3; i < argc; ++i) {
    const auto attempt = attempts.find(argv[i]);
    if (attempt == attempts.end()) return 2;
    const pid_t pid = ::fork();
    if (pid == 0) {
      attempt->second();
      ::_exit(went_on);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
      std::printf("%s signal %d\n", argv[i], WTERMSIG(status));
    else
      std::printf("%s exit %d\n", argv[i], WEXITSTATUS(status));
    std::fflush(stdout);
  }
}
