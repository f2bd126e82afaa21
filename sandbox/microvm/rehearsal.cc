#include "sandbox/microvm/rehearsal.h"

#include <elf.h>

#include <cstring>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "sandbox/microvm/guest.h"
#include "sandbox/microvm/kernel/kernel.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint64_t code_at = 0x400000, data_at = 0x500000;
constexpr uint64_t data_bytes = 3 * page_bytes;
constexpr uint64_t stage_bytes = 4u << 20;
constexpr uint64_t patience_ms = 1000;
constexpr const char* path = "/tmp/program";

// mov %rax, data; getpid(); write(1, data, 1); brk(0); exit_group(0)
std::string code() {
  std::string text;
  const auto byte = [&text](std::initializer_list<int> all) {
    for (const int each : all) text += static_cast<char>(each);
  };
  const auto number = [&text](uint32_t value) {
    char bytes[sizeof value];
    store_le(bytes, value);
    text.append(bytes, sizeof bytes);
  };
  const auto call = [&](uint32_t which) {
    byte({0xb8});
    number(which);
    byte({0x0f, 0x05});
  };
  byte({0x48, 0x89, 0x04, 0x25});
  number(data_at);
  call(39);
  byte({0xbf});
  number(1);
  byte({0xbe});
  number(data_at);
  byte({0xba});
  number(1);
  call(1);
  byte({0x31, 0xff});
  call(12);
  byte({0x31, 0xff});
  call(231);
  return text;
}

// One page of headers and code, one of data with more behind it.
std::string program() {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phoff = header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 2;
  header.e_entry = code_at + sizeof header + 2 * sizeof(Elf64_Phdr);
  Elf64_Phdr parts[2]{};
  parts[0].p_type = parts[1].p_type = PT_LOAD;
  parts[0].p_flags = PF_R | PF_X;
  parts[0].p_vaddr = code_at;
  parts[0].p_filesz = parts[0].p_memsz = page_bytes;
  parts[1].p_flags = PF_R | PF_W;
  parts[1].p_offset = page_bytes;
  parts[1].p_vaddr = data_at;
  parts[1].p_filesz = page_bytes / 2;
  parts[1].p_memsz = data_bytes;
  std::string file(reinterpret_cast<const char*>(&header), sizeof header);
  file.append(reinterpret_cast<const char*>(parts), sizeof parts);
  file += code();
  file.resize(2 * page_bytes);
  return file;
}

// Calls exit_group(0) at once.
class Understudy final : public Cpu {
 public:
  Exit run(Context& context, PageTable&, uint64_t) override {
    context.registers.rax = 231;
    context.registers.rdi = 0;
    Exit exit;
    exit.kind = Exit::Kind::call;
    return exit;
  }
  void save(Context&) override {}
  void forget(Context&) override {}
};

class Nobody final : public CallSink {
 public:
  void call(const Call& call) override {
    std::string bytes;
    encode_call(call, bytes);
  }
};

}  // namespace

Result<void> rehearse(Cpu& cpu, Physical& physical, Tree& host_files, const Orders& orders) {
  GuestFiles guest(host_files, orders);
  if (const int64_t error = guest.tree->put(path, 0755, program()); error < 0)
    return errno_error("a rehearsal's program", static_cast<int>(-error));
  KernelOptions options;
  options.limits.wall = options.limits.cpu = std::chrono::milliseconds(patience_ms);
  options.seed = orders.seed;
  options.wall_start_ns = orders.wall_start_ns;
  options.host_ns = [] { return boot_now_ns(); };
  Nobody nobody;
  Report report;
  Kernel kernel(cpu, physical, *guest.tree, nobody, std::move(options));
  TRY_VOID(kernel.start(path, {path}, {}, "/", nullptr));
  kernel.run(report);
  if (report.status != Status::ok || report.exit_code != 0)
    return Error{"a rehearsal ended with status " + std::string(status_name(report.status)) + " " + report.cause};
  Job job;
  job.program = path;
  static_cast<void>(job_from_json(job_to_json(job)));
  static_cast<void>(report_to_json(report));
  return {};
}

Result<void> rehearse_without_machine(Tree& host_files, const Orders& orders) {
  Physical physical = TRY(Physical::create(stage_bytes));
  Understudy understudy;
  return rehearse(understudy, physical, host_files, orders);
}

}  // namespace shrike::sandbox::microvm
