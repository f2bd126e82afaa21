#include "sandbox/microvm/machine/virtual_cpu.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/bytes.h"
#include "sandbox/microvm/machine/kvm.h"
#include "sandbox/microvm/machine/system_pages.h"

namespace shrike::sandbox::microvm {
namespace {

namespace pages = system_pages;

constexpr int api_version = 12;
constexpr uint32_t cpuid_most = 256;  // entries
constexpr unsigned memory_slot = 0, tables_slot = 1;

struct Capability {
  int number;
  const char* name;
};
constexpr Capability needed[] = {{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
                                 {KVM_CAP_SYNC_MMU, "KVM_CAP_SYNC_MMU"},
                                 {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
                                 {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
                                 {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
                                 {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
                                 {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
                                 {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"}};

// Control registers: AMD64 Architecture Programmer's Manual, volume 2, 3.1.
constexpr uint64_t cr0_value = 0x8005'0033;  // PG AM WP NE ET MP PE
constexpr uint64_t cr4_pae = 1 << 5, cr4_osfxsr = 1 << 9, cr4_osxmmexcpt = 1 << 10, cr4_umip = 1 << 11,
                   cr4_fsgsbase = 1 << 16, cr4_osxsave = 1 << 18, cr4_smep = 1 << 20, cr4_smap = 1 << 21;
constexpr uint64_t cr4_needed = cr4_pae | cr4_osfxsr | cr4_osxmmexcpt | cr4_osxsave;
constexpr uint64_t efer_value = 1 << 0 | 1 << 8 | 1 << 10 | 1 << 11;  // SCE LME LMA NXE
constexpr uint64_t cr3_write_through = 1 << 3;                        // changes nothing but the register's value

// What a program may have in XCR0: x87, SSE, AVX, AVX-512.
constexpr uint64_t xcr0_most = 0xe7;

constexpr uint32_t msr_star = 0xc000'0081, msr_lstar = 0xc000'0082, msr_cstar = 0xc000'0083, msr_sfmask = 0xc000'0084;
constexpr uint64_t flags_cleared_by_call = 0x4'7700;  // TF IF DF NT AC

kvm_segment segment(uint16_t selector, uint8_t type, bool code) {
  kvm_segment segment{};
  segment.limit = ~0u;
  segment.selector = selector;
  segment.type = type;
  segment.present = segment.s = segment.g = 1;
  segment.dpl = 3;
  segment.l = code ? 1 : 0;
  segment.db = code ? 0 : 1;
  return segment;
}

kvm_segment task_segment() {
  kvm_segment segment{};
  segment.base = pages::task_state;
  segment.limit = pages::task_limit;
  segment.selector = pages::task;
  segment.type = 11;
  segment.present = 1;
  return segment;
}

kvm_sregs ring3_sregs(kvm_sregs sregs, uint64_t cr4) {
  sregs.cs = segment(pages::user_code, 0xb, true);
  sregs.ss = sregs.ds = sregs.es = segment(pages::user_data, 3, false);
  sregs.fs = sregs.gs = segment(0, 3, false);
  sregs.tr = task_segment();
  sregs.ldt = {};
  sregs.ldt.unusable = 1;
  sregs.ldt.type = 2;
  sregs.gdt = {pages::descriptors, pages::descriptors_limit, {}};
  sregs.idt = {pages::interrupts, pages::interrupts_limit, {}};
  sregs.cr0 = cr0_value;
  sregs.cr2 = 0;
  sregs.cr4 = cr4;
  sregs.efer = efer_value;
  std::memset(sregs.interrupt_bitmap, 0, sizeof sregs.interrupt_bitmap);
  return sregs;
}

std::string stop_name(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_SHUTDOWN:
      return "the CPU shut down (triple fault)";
    case KVM_EXIT_FAIL_ENTRY:
      return "the CPU refuses its state, reason " + std::to_string(run.fail_entry.hardware_entry_failure_reason);
    case KVM_EXIT_INTERNAL_ERROR:
      return "KVM's internal error " + std::to_string(run.internal.suberror);
    case KVM_EXIT_MMIO:
      return "access to memory that is not there";
    default:
      return "KVM's exit " + std::to_string(run.exit_reason);
  }
}

struct RunMapping {
  kvm_run* run = nullptr;
  size_t bytes = 0;
  RunMapping() = default;
  RunMapping(const RunMapping&) = delete;
  RunMapping& operator=(const RunMapping&) = delete;
  ~RunMapping() {
    if (run != nullptr) ::munmap(run, bytes);
  }
};

}  // namespace

struct VirtualCpu::Impl {
  Fd vm, cpu;
  RunMapping mapping;
  kvm_sregs base{};  // ring 3, without an address space
  uint64_t cr3_flip = 0;
  kvm_userspace_memory_region tables{};
  std::vector<uint32_t> msrs;
  Protections protections;

  [[nodiscard]] kvm_run& run() const { return *mapping.run; }
  Result<void> set_cpuid(std::vector<std::byte> table, uint64_t& xcr0);
  Result<void> set_control(uint64_t xcr0);
};

VirtualCpu::VirtualCpu(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VirtualCpu::VirtualCpu(VirtualCpu&&) noexcept = default;
VirtualCpu& VirtualCpu::operator=(VirtualCpu&&) noexcept = default;
VirtualCpu::~VirtualCpu() = default;

Result<Features> Features::read(const Fd& kvm) {
  if (const int version = TRY(KVM_REQUEST(kvm, KVM_GET_API_VERSION, 0)); version != api_version)
    return Error{"KVM has API version " + std::to_string(version) + ", we need 12"};
  for (const Capability& capability : needed)
    if (TRY(kvm_request(kvm, KVM_CHECK_EXTENSION, capability.number, capability.name)) == 0)
      return Error{std::string("this KVM lacks ") + capability.name};
  Features features;
  features.cpuid.resize(sizeof(kvm_cpuid2) + cpuid_most * sizeof(kvm_cpuid_entry2));
  store_le(features.cpuid.data(), cpuid_most);
  TRY(KVM_REQUEST(kvm, KVM_GET_SUPPORTED_CPUID, features.cpuid.data()));
  features.msrs = TRY(msrs_to_keep(kvm));
  return features;
}

std::vector<uint32_t> Machine::kvm_requests(bool again) {
  std::vector<uint32_t> all{KVM_RUN, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_VCPU_EVENTS,
                            static_cast<uint32_t>(KVM_SET_USER_MEMORY_REGION)};
  if (again)
    for (const unsigned long request :
         {KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_REGS, KVM_SET_REGS, KVM_GET_XCRS, KVM_SET_XCRS, KVM_GET_DEBUGREGS,
          KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS, KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_MSRS, KVM_SET_MSRS})
      all.push_back(static_cast<uint32_t>(request));
  return all;
}

Result<VirtualCpu> VirtualCpu::create(const Fd& kvm, const Features& features, const Physical& physical) {
  auto impl = std::make_unique<Impl>();
  impl->vm.reset(TRY(KVM_REQUEST(kvm, KVM_CREATE_VM, 0)));
  kvm_userspace_memory_region memory{memory_slot, 0, 0, physical.size_bytes(),
                                     reinterpret_cast<uint64_t>(physical.host())};
  TRY(KVM_REQUEST(impl->vm, KVM_SET_USER_MEMORY_REGION, &memory));
  impl->tables = {tables_slot, 0, physical.size_bytes(), physical.tables_bytes(),
                  reinterpret_cast<uint64_t>(physical.host()) + physical.size_bytes()};
  TRY(KVM_REQUEST(impl->vm, KVM_SET_USER_MEMORY_REGION, &impl->tables));
  impl->cpu.reset(TRY(KVM_REQUEST(impl->vm, KVM_CREATE_VCPU, 0)));
  const auto bytes = static_cast<size_t>(TRY(KVM_REQUEST(kvm, KVM_GET_VCPU_MMAP_SIZE, 0)));
  if (bytes < sizeof(kvm_run)) return Error{"KVM's shared page is smaller than its header says"};
  void* const run = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, impl->cpu.get(), 0);
  if (run == MAP_FAILED) return errno_error("mmap of KVM's shared page");
  impl->mapping.run = static_cast<kvm_run*>(run);
  impl->mapping.bytes = bytes;
  uint64_t xcr0 = 0;
  TRY_VOID(impl->set_cpuid(features.cpuid, xcr0));
  TRY_VOID(impl->set_control(xcr0));
  impl->msrs = features.msrs;
  impl->run().kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
  VirtualCpu cpu(std::move(impl));
  // At the first run KVM begins a thread of its own (for huge pages), which a process with limits may not any more.
  *cpu.immediate_exit() = 1;
  const Stop stop = cpu.run();
  *cpu.immediate_exit() = 0;
  if (stop.kind != Stop::Kind::interrupted) return Error{"the CPU's first run: " + stop.what};
  return cpu;
}

// The program sees the host's CPUID where KVM cannot trap it; elsewhere what KVM supports.
Result<void> VirtualCpu::Impl::set_cpuid(std::vector<std::byte> table, uint64_t& xcr0) {
  const auto count = std::min(load_le<uint32_t>(table.data()), cpuid_most);
  for (uint32_t i = 0; i < count; ++i) {
    const auto entry = load_le<kvm_cpuid_entry2>(&table[sizeof(kvm_cpuid2) + i * sizeof(kvm_cpuid_entry2)]);
    if (entry.function == 0xd && entry.index == 0) xcr0 = (entry.eax | uint64_t{entry.edx} << 32) & xcr0_most;
  }
  TRY(KVM_REQUEST(cpu, KVM_SET_CPUID2, table.data()));
  return {};
}

Result<void> VirtualCpu::Impl::set_control(uint64_t xcr0) {
  kvm_sregs sregs{};
  TRY(KVM_REQUEST(cpu, KVM_GET_SREGS, &sregs));
  uint64_t wanted = cr4_umip | cr4_smep | cr4_smap | cr4_fsgsbase;
  const auto set = [&] {
    base = ring3_sregs(sregs, cr4_needed | wanted);
    return KVM_REQUEST(cpu, KVM_SET_SREGS, &base);
  };
  if (!set().ok()) {
    // What a CPU does not have, KVM refuses: one after the other.
    const uint64_t all = std::exchange(wanted, 0);
    TRY(set());
    for (uint64_t bit = all & (~all + 1), rest = all; rest != 0; rest &= ~bit, bit = rest & (~rest + 1)) {
      wanted |= bit;
      if (!set().ok()) wanted &= ~bit;
    }
    TRY(set());
  }
  protections = {(wanted & cr4_smep) != 0, (wanted & cr4_smap) != 0, (wanted & cr4_umip) != 0};
  if (xcr0 != 0) {
    kvm_xcrs xcrs{};
    xcrs.nr_xcrs = 1;
    xcrs.xcrs[0].value = xcr0;
    TRY(KVM_REQUEST(cpu, KVM_SET_XCRS, &xcrs));
  }
  struct {
    kvm_msrs head;
    kvm_msr_entry entries[4];
  } request{};
  request.head.nmsrs = 4;
  request.entries[0] = {msr_star, 0, uint64_t{pages::kernel_code} << 32 | uint64_t{pages::user_data - 8} << 48};
  request.entries[1] = {msr_lstar, 0, pages::call_entry};
  request.entries[2] = {msr_cstar, 0, pages::compat_entry};
  request.entries[3] = {msr_sfmask, 0, flags_cleared_by_call};
  if (TRY(KVM_REQUEST(cpu, KVM_SET_MSRS, &request)) != 4) return Error{"KVM refuses the registers of SYSCALL"};
  return {};
}

void VirtualCpu::load(const Registers& from, Frame root) {
  kvm_run& run = impl_->run();
  kvm_regs& to = run.s.regs.regs;
  to = {.rax = from.rax,
        .rbx = from.rbx,
        .rcx = from.rcx,
        .rdx = from.rdx,
        .rsi = from.rsi,
        .rdi = from.rdi,
        .rsp = from.rsp,
        .rbp = from.rbp,
        .r8 = from.r8,
        .r9 = from.r9,
        .r10 = from.r10,
        .r11 = from.r11,
        .r12 = from.r12,
        .r13 = from.r13,
        .r14 = from.r14,
        .r15 = from.r15,
        .rip = from.rip,
        .rflags = from.rflags};
  kvm_sregs& special = run.s.regs.sregs;
  special = impl_->base;
  special.cr3 = root * page_bytes | impl_->cr3_flip;
  special.fs.base = from.fs_base;
  special.gs.base = from.gs_base;
  run.kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
}

Stop VirtualCpu::run() {
  kvm_run& run = impl_->run();
  if (::ioctl(impl_->cpu.get(), KVM_RUN, 0) < 0) {
    if (errno == EINTR || errno == EAGAIN) return {Stop::Kind::interrupted, 0, {}};
    return {Stop::Kind::failed, 0, errno_error("KVM_RUN").message};
  }
  if (run.exit_reason == KVM_EXIT_INTR) return {Stop::Kind::interrupted, 0, {}};
  if (run.exit_reason == KVM_EXIT_IO && run.io.direction == KVM_EXIT_IO_OUT && !ring3() && run.io.port <= 0xff)
    return {Stop::Kind::port, static_cast<uint8_t>(run.io.port), {}};
  return {Stop::Kind::failed, 0, stop_name(run)};
}

Registers VirtualCpu::registers() const {
  const kvm_regs& r = impl_->run().s.regs.regs;
  const kvm_sregs& s = impl_->run().s.regs.sregs;
  return {.rax = r.rax,
          .rbx = r.rbx,
          .rcx = r.rcx,
          .rdx = r.rdx,
          .rsi = r.rsi,
          .rdi = r.rdi,
          .rbp = r.rbp,
          .rsp = r.rsp,
          .r8 = r.r8,
          .r9 = r.r9,
          .r10 = r.r10,
          .r11 = r.r11,
          .r12 = r.r12,
          .r13 = r.r13,
          .r14 = r.r14,
          .r15 = r.r15,
          .rip = r.rip,
          .rflags = r.rflags,
          .fs_base = s.fs.base,
          .gs_base = s.gs.base};
}

bool VirtualCpu::ring3() const { return impl_->run().s.regs.sregs.cs.dpl == 3; }

uint64_t VirtualCpu::fault_address() const { return impl_->run().s.regs.sregs.cr2; }

Result<bool> VirtualCpu::event_pending() const {
  kvm_vcpu_events events{};
  TRY(KVM_REQUEST(impl_->cpu, KVM_GET_VCPU_EVENTS, &events));
  return events.exception.injected != 0 || events.exception.pending != 0 || events.interrupt.injected != 0;
}

uint8_t* VirtualCpu::immediate_exit() const { return &impl_->run().immediate_exit; }

Result<void> VirtualCpu::forget_tables() {
  kvm_userspace_memory_region none = impl_->tables;
  none.memory_size = 0;
  TRY(KVM_REQUEST(impl_->vm, KVM_SET_USER_MEMORY_REGION, &none));
  TRY(KVM_REQUEST(impl_->vm, KVM_SET_USER_MEMORY_REGION, &impl_->tables));
  flush();
  return {};
}

// KVM drops all translations when CR3 gets another value than it has; this bit of it is without effect otherwise.
void VirtualCpu::flush() { impl_->cr3_flip ^= cr3_write_through; }

Result<std::vector<std::byte>> VirtualCpu::fpu() const {
  std::vector<std::byte> image(fpu_bytes);
  TRY(KVM_REQUEST(impl_->cpu, KVM_GET_XSAVE, image.data()));
  return image;
}

Result<void> VirtualCpu::set_fpu(std::span<const std::byte> image) {
  if (image.size() != fpu_bytes) return Error{"an XSAVE image of " + std::to_string(image.size()) + " bytes"};
  TRY(KVM_REQUEST(impl_->cpu, KVM_SET_XSAVE, image.data()));
  return {};
}

const Protections& VirtualCpu::protections() const { return impl_->protections; }

Result<CpuState> VirtualCpu::state() const { return read_cpu_state(impl_->cpu, impl_->msrs); }

Result<void> VirtualCpu::restore(const CpuState& state) {
  impl_->run().kvm_dirty_regs = 0;
  return write_cpu_state(impl_->cpu, state, TRY(read_cpu_state(impl_->cpu, impl_->msrs)));
}

}  // namespace shrike::sandbox::microvm
