#include "sandbox/microvm/files/proc_text.h"

#include <cpuid.h>
#include <fcntl.h>

#include <array>
#include <cstdarg>
#include <cstring>

namespace shrike::sandbox::microvm::proc {

namespace {

/// printf into a text.
__attribute__((format(printf, 2, 3))) void add(std::string& out, const char* format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length > 0) out.append(text, std::min<size_t>(static_cast<size_t>(length), sizeof text - 1));
}

unsigned long long kib(uint64_t bytes) { return bytes / 1024; }
unsigned long long ticks(uint64_t ns) { return ns / 10'000'000; }
unsigned long long wide(uint64_t value) { return value; }

const char* state_name(char state) {
  switch (state) {
    case 'R':
      return "running";
    case 'S':
      return "sleeping";
    case 'D':
      return "disk sleep";
    case 'T':
      return "stopped";
    case 'Z':
      return "zombie";
    default:
      return "idle";
  }
}

/// What CPUID says, because programs can ask it themselves: it is not trapped.
std::string processor_name() {
  std::array<unsigned, 12> words{};
  for (unsigned i = 0; i < 3; ++i)
    if (__get_cpuid(0x80000002 + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2], &words[i * 4 + 3]) == 0)
      return "unknown";
  char text[sizeof words + 1] = {};
  std::memcpy(text, words.data(), sizeof words);
  return text;
}

struct Mount {
  const char *device, *path, *type, *options;
};
constexpr Mount all_mounts[] = {
    {"/dev/sda1", "/", "ext4", "rw,noatime,errors=remount-ro"},
    {"proc", "/proc", "proc", "rw,nosuid,nodev,noexec,relatime"},
    {"sysfs", "/sys", "sysfs", "rw,nosuid,nodev,noexec,relatime"},
    {"udev", "/dev", "devtmpfs", "rw,nosuid,relatime,size=2001484k,nr_inodes=500371,mode=755"},
    {"devpts", "/dev/pts", "devpts", "rw,nosuid,noexec,relatime,gid=5,mode=620,ptmxmode=000"},
    {"tmpfs", "/dev/shm", "tmpfs", "rw,nosuid,nodev"},
};

}  // namespace

std::string status(const GuestView& view, const ProcessFacts& facts, uint32_t id) {
  std::string out;
  add(out, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\nTgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n",
      facts.comm.c_str(), facts.umask, facts.state, state_name(facts.state), facts.pid, id, facts.parent);
  add(out, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", facts.uid, facts.uid, facts.uid, facts.uid, facts.gid,
      facts.gid, facts.gid, facts.gid);
  add(out, "FDSize:\t%zu\nGroups:\t%u \nNStgid:\t%u\nNSpid:\t%u\nNSpgid:\t%u\nNSsid:\t%u\n",
      (view.descriptors(facts.pid).size() + 63) / 64 * 64, facts.gid, facts.pid, id, facts.group, facts.session);
  const auto total = kib(facts.total_bytes), resident = kib(facts.resident_bytes);
  add(out, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\n", total, total);
  add(out, "VmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nRssAnon:\t%8llu kB\nRssFile:\t       0 kB\nRssShmem:\t       0 kB\n",
      resident, resident, resident);
  add(out, "VmData:\t%8llu kB\nVmStk:\t     132 kB\nVmExe:\t     100 kB\nVmLib:\t    2000 kB\nVmPTE:\t      60 kB\n",
      resident);
  add(out, "VmSwap:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t1\nThreads:\t%zu\nSigQ:\t0/15607\n",
      facts.threads.size());
  add(out, "SigPnd:\t%016llx\nShdPnd:\t0000000000000000\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
      wide(facts.pending), wide(facts.blocked), wide(facts.ignored), wide(facts.caught));
  const char* caps = facts.uid == 0 ? "000001ffffffffff" : "0000000000000000";
  add(out,
      "CapInh:\t0000000000000000\nCapPrm:\t%s\nCapEff:\t%s\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n",
      caps, caps);
  add(out, "NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\nSpeculation_Store_Bypass:\tvulnerable\n");
  add(out, "Cpus_allowed:\t%x\nCpus_allowed_list:\t0-%u\nMems_allowed:\t1\nMems_allowed_list:\t0\n",
      (1u << guest_cpus) - 1, guest_cpus - 1);
  add(out, "voluntary_ctxt_switches:\t10\nnonvoluntary_ctxt_switches:\t3\n");
  return out;
}

std::string stat(const GuestView&, const ProcessFacts& facts, uint32_t id) {
  std::string out;
  add(out, "%u (%s) %c %u %u %u 0 -1 4194560 500 0 0 0 %llu 0 0 0 20 0 %zu 0 %llu %llu %llu 18446744073709551615", id,
      facts.comm.c_str(), facts.state, facts.parent, facts.group, facts.session, ticks(facts.user_ns),
      facts.threads.size(), ticks(facts.start_ns), wide(facts.total_bytes), wide(facts.resident_bytes / 4096));
  add(out, " 0 0 0 0 0 %llu %llu %llu %llu 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", wide(facts.pending & INT32_MAX),
      wide(facts.blocked & INT32_MAX), wide(facts.ignored & INT32_MAX), wide(facts.caught & INT32_MAX));
  return out;
}

std::string statm(const ProcessFacts& facts) {
  std::string out;
  add(out, "%llu %llu 500 25 0 %llu 0\n", wide(facts.total_bytes / 4096), wide(facts.resident_bytes / 4096),
      wide(facts.resident_bytes / 4096));
  return out;
}

std::string limits() {
  struct Limit {
    const char *name, *soft, *hard, *unit;
  };
  constexpr const char* none = "unlimited";
  const Limit all[] = {{"Max cpu time", none, none, "seconds"},
                       {"Max file size", none, none, "bytes"},
                       {"Max data size", none, none, "bytes"},
                       {"Max stack size", "8388608", none, "bytes"},
                       {"Max core file size", "0", none, "bytes"},
                       {"Max resident set", none, none, "bytes"},
                       {"Max processes", "15607", "15607", "processes"},
                       {"Max open files", "1024", "1048576", "files"},
                       {"Max locked memory", "8388608", "8388608", "bytes"},
                       {"Max address space", none, none, "bytes"},
                       {"Max file locks", none, none, "locks"},
                       {"Max pending signals", "15607", "15607", "signals"},
                       {"Max msgqueue size", "819200", "819200", "bytes"},
                       {"Max nice priority", "0", "0", ""},
                       {"Max realtime priority", "0", "0", ""},
                       {"Max realtime timeout", none, none, "us"}};
  std::string out;
  add(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  for (const Limit& limit : all) add(out, "%-25s %-20s %-20s %-10s\n", limit.name, limit.soft, limit.hard, limit.unit);
  return out;
}

std::string file_info(const File& file) {
  std::string out;
  add(out, "pos:\t0\nflags:\t0%o\nmnt_id:\t28\nino:\t%llu\n", file.flags, wide(file.node()->number()));
  return out;
}

std::string processors() {
  const std::string name = processor_name();
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  __get_cpuid(0, &eax, &ebx, &ecx, &edx);
  char vendor[13] = {};
  std::memcpy(vendor, &ebx, 4);
  std::memcpy(vendor + 4, &edx, 4);
  std::memcpy(vendor + 8, &ecx, 4);
  __get_cpuid(1, &eax, &ebx, &ecx, &edx);
  const unsigned family = (eax >> 8 & 15) + ((eax >> 8 & 15) == 15 ? eax >> 20 & 255 : 0);
  const unsigned model = (eax >> 4 & 15) | (eax >> 12 & 0xf0);
  std::string out;
  for (unsigned cpu = 0; cpu < guest_cpus; ++cpu) {
    add(out, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
        cpu, vendor, family, model, name.c_str(), eax & 15);
    add(out, "cpu MHz\t\t: 2400.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\n",
        guest_cpus, cpu);
    add(out, "cpu cores\t: %u\napicid\t\t: %u\ninitial apicid\t: %u\nfpu\t\t: yes\nfpu_exception\t: yes\n", guest_cpus,
        cpu, cpu);
    add(out,
        "cpuid level\t: 13\nwp\t\t: yes\nflags\t\t: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat "
        "pse36 clflush mmx fxsr sse sse2 ht syscall nx pdpe1gb rdtscp lm constant_tsc rep_good nopl cpuid pni "
        "pclmulqdq ssse3 fma cx16 sse4_1 sse4_2 movbe popcnt aes xsave avx f16c rdrand lahf_lm\n");
    add(out,
        "bugs\t\t:\nbogomips\t: 4800.00\nclflush size\t: 64\ncache_alignment\t: 64\n"
        "address sizes\t: 48 bits physical, 48 bits virtual\npower management:\n\n");
  }
  return out;
}

std::string memory(const GuestView& view) {
  const auto total = kib(view.memory_bytes()), free = kib(view.free_bytes());
  std::string out;
  add(out, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\n", total, free, free);
  add(out, "Buffers:           45120 kB\nCached:           310244 kB\nSwapCached:            0 kB\n");
  add(out,
      "Active:           210332 kB\nInactive:         180440 kB\nSwapTotal:             0 kB\nSwapFree:              0 "
      "kB\n");
  add(out,
      "Dirty:               120 kB\nWriteback:             0 kB\nAnonPages:         40312 kB\nMapped:            61208 "
      "kB\n");
  add(out,
      "Shmem:              1024 kB\nSlab:              52084 kB\nCommitLimit:    %8llu kB\nCommitted_AS:     204800 "
      "kB\n",
      total / 2);
  add(out,
      "VmallocTotal:   34359738367 kB\nHugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 "
      "kB\n");
  return out;
}

std::string statistics(const GuestView& view) {
  const auto up = ticks(view.up_ns());
  std::string out;
  add(out, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", up / 20, up / 40, up * guest_cpus);
  for (unsigned cpu = 0; cpu < guest_cpus; ++cpu)
    add(out, "cpu%u %llu 0 %llu %llu 0 0 0 0 0 0\n", cpu, up / 40, up / 80, up);
  add(out, "intr 1203301 0\nctxt 2400112\nbtime %llu\nprocesses 2310\nprocs_running 1\nprocs_blocked 0\n",
      wide((view.real_ns() - view.up_ns()) / 1'000'000'000));
  return out;
}

std::string uptime(const GuestView& view) {
  const auto up = ticks(view.up_ns());
  std::string out;
  add(out, "%llu.%02llu %llu.%02llu\n", up / 100, up % 100, up * guest_cpus / 100, up % 100);
  return out;
}

std::string load(const GuestView& view) {
  const auto processes = view.processes();
  std::string out;
  add(out, "0.08 0.03 0.01 1/%zu %u\n", 90 + processes.size(), processes.empty() ? 1 : processes.back());
  return out;
}

std::string mounts() {
  std::string out;
  for (const Mount& mount : all_mounts)
    add(out, "%s %s %s %s 0 0\n", mount.device, mount.path, mount.type, mount.options);
  return out;
}

std::string mount_info() {
  std::string out;
  int id = 21;
  for (const Mount& mount : all_mounts) {
    add(out, "%d %d 0:%d / %s rw - %s %s rw\n", id, id == 21 ? 1 : 21, id, mount.path, mount.type, mount.device);
    ++id;
  }
  return out;
}

}  // namespace shrike::sandbox::microvm::proc
