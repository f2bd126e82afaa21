#pragma once
// A guest of scripts: processes run lists of calls, without KVM.

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <algorithm>

#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/kernel/system.h"
#include "sandbox/microvm/kernel/user_memory.h"
#include "tests/unit/vm_kernel/elf_maker.h"
#include "tests/unit/vm_kernel/script_cpu.h"

namespace shrike::sandbox::microvm::testing {

class Guest : public CallSink {
 public:
  static constexpr uint64_t first = 0x400400;   ///< where /bin/first begins
  static constexpr uint64_t second = 0x600400;  ///< and /bin/second
  static constexpr uint64_t data = 0x500000;    ///< 64 KiB of both, writable

  explicit Guest(std::function<void(KernelOptions&)> change = {}, uint64_t memory_bytes = 64u << 20)
      : physical(std::move(Physical::create(memory_bytes).value())),
        files(memory_tree({{"bin/first", make_elf()},
                           {"bin/second", make_elf({.code = 0x600000, .data = 0x700000})},
                           {"bin/script", "#!/bin/second -x\n"},
                           {"etc/motd", "welcome\n"},
                           {"tmp/", ""}}),
              FileQuota{}, [] { return uint64_t{0}; }) {
    KernelOptions options;
    options.limits.memory_bytes = memory_bytes;
    options.seed = 7;
    options.wall_start_ns = 1'700'000'000'000'000'000;
    // Each look at the clock costs a microsecond.
    options.host_ns = [this] { return host_ns += 1000; };
    options.output = [this](int fd, std::string_view text) { (fd == 1 ? out : err).append(text); };
    if (change) change(options);
    system.emplace(cpu, physical, files, *this, std::move(options));
    make_executable("/bin/first");
    make_executable("/bin/second");
    make_executable("/bin/script");
  }

  void call(const Call& call) override { told.push_back(call); }

  /// Runs `steps` as /bin/first. Who runs on behind the last one dies of SIGSEGV.
  Report& run(std::vector<Step> steps) {
    cpu.program(first, std::move(steps));
    const auto started = system->start("/bin/first", {"first"}, {"A=b"}, "/tmp", nullptr);
    EXPECT_TRUE(started.ok()) << (started.ok() ? "" : started.error().message);
    if (started.ok()) system->run(report);
    return report;
  }

  /// Memory of the process that runs now.
  [[nodiscard]] UserMemory memory() { return UserMemory(*system->current->process->space); }
  void text(uint64_t address, const std::string& text) {
    EXPECT_TRUE(memory().write(address, std::as_bytes(std::span(text.c_str(), text.size() + 1))));
  }
  std::string text(uint64_t address) {
    std::string text;
    EXPECT_EQ(memory().text(address, 4096, text), 0);
    return text;
  }
  template <class T>
  void put(uint64_t address, const T& value) {
    EXPECT_TRUE(memory().put(address, value));
  }
  template <class T>
  T get(uint64_t address) {
    T value{};
    EXPECT_TRUE(memory().get(address, value)) << std::hex << address;
    return value;
  }

  /// The calls that were told with a number.
  std::vector<Call> calls(int number) {
    std::vector<Call> some;
    std::copy_if(told.begin(), told.end(), std::back_inserter(some), [&](const Call& each) {
      return each.kind == CallKind::call && each.abi == CallAbi::x86_64 && each.number == number;
    });
    return some;
  }
  std::vector<Call> events(CallKind kind) {
    std::vector<Call> some;
    std::copy_if(told.begin(), told.end(), std::back_inserter(some),
                 [&](const Call& each) { return each.kind == kind; });
    return some;
  }

  ScriptCpu cpu;
  Physical physical;
  FileSystem files;
  uint64_t host_ns = 1'000'000;
  std::vector<Call> told;
  std::string out, err;
  std::optional<System> system;
  Report report;

 private:
  void make_executable(const std::string& path) {
    Found found;
    const Place place{files.root(), files.root(), {}};
    EXPECT_EQ(files.resolve(place, nullptr, path, true, found), 0);
    EXPECT_EQ(files.change_mode(*found.node, 0755), 0);
  }
};

/// Looks at the result of the step before (and changes memory), then `next`.
inline Step got(int64_t expected, Step next, int line = __builtin_LINE()) {
  return [=](Registers& registers) {
    EXPECT_EQ(static_cast<int64_t>(registers.rax), expected) << "line " << line;
    return next(registers);
  };
}
inline Step then(std::function<void(int64_t)> look, Step next) {
  return [=](Registers& registers) {
    look(static_cast<int64_t>(registers.rax));
    return next(registers);
  };
}
inline Step leave(int code = 0) { return sys(SYS_exit_group, code); }

}  // namespace shrike::sandbox::microvm::testing
