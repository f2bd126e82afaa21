#include "sandbox/microvm/machine/machine.h"

#include <fcntl.h>

#include <cerrno>

#include "sandbox/microvm/machine/interpret.h"
#include "sandbox/microvm/machine/machine_impl.h"
#include "sandbox/microvm/machine/self_test.h"
#include "sandbox/microvm/machine/stale.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint8_t general_protection = 13, page_fault = 14;
// Stale frames with no more than so many others between them are dealt with as one run: it is the runs that cost.
constexpr uint32_t gap_most = 32;
// More runs than this: KVM forgets everything, at what is always the same price on an idle host (on a busy one it may
// have to wait for milliseconds), and all pages fault once more.
constexpr size_t runs_most = 32;
// How often the CPU is let go on within one run for what is not the program's: an exception that had not arrived when
// a signal came, a fault that the table allows.
constexpr int detours_most = 8;

constexpr size_t xstate_bits_at = 512;  // of an XSAVE image: which parts it has
constexpr std::byte x87_and_sse{3};

Exit broken(std::string what) {
  Exit exit;
  exit.what = std::move(what);
  return exit;
}

Exit exception(uint8_t vector) {
  Exit exit;
  exit.kind = Exit::Kind::exception;
  exit.vector = vector;
  return exit;
}

Exit interrupted() {
  Exit exit;
  exit.kind = Exit::Kind::interrupted;
  return exit;
}

bool loadable(const Registers& registers) {
  return canonical(registers.rip) && canonical(registers.fs_base) && canonical(registers.gs_base);
}

bool allows(const PageTable& table, const Exit& fault) {
  const auto page = table.find(fault.address);
  return page && (!fault.write || page->protection.write) && (!fault.execute || page->protection.execute);
}

}  // namespace

Result<Fd> open_kvm() {
  Fd kvm(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
  if (kvm.valid()) return kvm;
  if (errno == ENOENT)
    return Error{
        "no /dev/kvm: this host has no virtualisation, or its kvm module is not loaded; "
        "use the process backend here",
        ENOENT};
  if (errno == EACCES || errno == EPERM)
    return Error{"/dev/kvm may not be opened: run as root or in the group that owns it", errno};
  return errno_error("/dev/kvm");
}

Result<std::unique_ptr<Machine>> Machine::create(uint64_t memory_bytes) {
  const Fd kvm = TRY(open_kvm());
  const Features features = TRY(Features::read(kvm));
  return create(kvm, features, memory_bytes);
}

Result<std::unique_ptr<Machine>> Machine::create(const Fd& kvm, const Features& features, uint64_t memory_bytes) {
  Physical physical = TRY(Physical::create(memory_bytes));
  const auto pages = SystemPages::create(physical);
  if (!pages) return Error{"no memory for the machine's own pages"};
  VirtualCpu cpu = TRY(VirtualCpu::create(kvm, features, physical));
  SliceTimer timer = TRY(SliceTimer::create(cpu.immediate_exit()));
  std::vector<std::byte> fresh_fpu = TRY(cpu.fpu());
  // x87 and SSE said to be there: not every CPU takes MXCSR from an image that says they are as after a reset.
  fresh_fpu[xstate_bits_at] |= x87_and_sse;
  auto impl =
      std::make_unique<Impl>(std::move(physical), *pages, std::move(cpu), std::move(timer), std::move(fresh_fpu));
  impl->physical.on_reuse([cpu_of = impl.get()] { cpu_of->note(cpu_of->cpu.forget_tables()); });
  std::unique_ptr<Machine> machine(new Machine(std::move(impl)));
  Impl& m = *machine->impl_;
  if (features.tested)
    m.abilities = *features.tested;
  else
    m.abilities = TRY(self_test(*machine, [&m] { return m.last_port; }));
  const Protections& on = m.cpu.protections();
  m.abilities.smep = on.smep;
  m.abilities.smap = on.smap;
  m.abilities.umip = on.umip;
  return machine;
}

Machine::Machine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Machine::~Machine() = default;

Result<void> Machine::keep_template() {
  Impl& m = *impl_;
  m.physical.keep_as_template();
  TRY_VOID(m.cpu.set_fpu(m.fresh_fpu));
  m.kept = TRY(m.cpu.state());
  return {};
}

Exit Machine::run(Context& context, PageTable& table, uint64_t slice_ns) {
  Impl& m = *impl_;
  if (!loadable(context.registers)) return exception(general_protection);
  m.deal_with_stale();
  if (!m.give_fpu(context)) return exception(general_protection);
  if (!m.failure.empty()) return broken(m.failure);
  context.registers.rflags = user_flags(context.registers.rflags);
  m.cpu.load(context.registers, table.root());
  if (auto started = m.timer.start(slice_ns); !started.ok()) return broken(started.error().message);
  m.refused_fault.reset();
  for (int detours = 0; detours < detours_most; ++detours) {
    if (std::optional<Exit> exit = m.run_once(context.registers, table)) return *exit;
  }
  // This CPU never does what the table allows: the program's misfortune, not the machine's.
  if (m.refused_fault) return *m.refused_fault;
  return broken("the CPU does not get on");
}

std::optional<Exit> Machine::Impl::run_once(Registers& registers, const PageTable& table) {
  const Code code = [&](uint64_t address) { return code_at(table, address); };
  const Stop stop = cpu.run();
  if (stop.kind == Stop::Kind::failed) return broken(stop.what);
  if (stop.kind == Stop::Kind::interrupted) {
    const Registers now = cpu.registers();
    const Result<bool> pending = cpu.event_pending();
    if (!pending.ok()) return broken(pending.error().message);
    if (!*pending && now.rip == system_pages::call_entry) return interpret_entered(now, cpu.ring3(), code, registers);
    if (!*pending && cpu.ring3()) {
      registers = now;
      registers.rflags = user_flags(now.rflags);
      return interrupted();
    }
    // Something of the CPU's own has begun and leads out of the machine at once.
    *cpu.immediate_exit() = 0;
    return std::nullopt;
  }
  last_port = stop.port;
  const uint8_t vector = static_cast<uint8_t>(stop.port - system_pages::exception_port);
  const Left left{stop.port, cpu.registers(), pages.frame(physical, vector), cpu.fault_address()};
  Exit exit = interpret(left, code, registers);
  if (exit.kind != Exit::Kind::fault || !allows(table, exit)) return exit;
  refused_fault = exit;
  refused_fault->kind = Exit::Kind::exception;
  refused_fault->vector = page_fault;
  cpu.load(registers, table.root());
  return std::nullopt;
}

std::optional<uint8_t> Machine::Impl::code_at(const PageTable& table, uint64_t address) const {
  const auto page = table.find(address);
  if (!page || !page->protection.execute) return std::nullopt;
  return static_cast<uint8_t>(physical.bytes(page->frame)[address % page_bytes]);
}

void Machine::Impl::deal_with_stale() {
  const std::vector<FrameRun> runs = frame_runs(physical.take_stale(), gap_most);
  if (runs.empty()) return;
  if (runs.size() > runs_most) {
    note(cpu.forget_tables());
    return;
  }
  for (const FrameRun& run : runs) note(drop_translations(physical, run));
  cpu.flush();
}

bool Machine::Impl::give_fpu(Context& context) {
  if (fpu_owner == &context && context.fpu.empty()) return true;
  if (fpu_owner != nullptr && fpu_owner != &context && fpu_owner->fpu.empty()) take_fpu(*fpu_owner);
  fpu_owner = nullptr;
  // What the program itself has made up is refused by KVM where no CPU would take it.
  if (!cpu.set_fpu(context.fpu.empty() ? fresh_fpu : context.fpu).ok()) return false;
  context.fpu.clear();
  fpu_owner = &context;
  return true;
}

void Machine::Impl::take_fpu(Context& context) {
  Result<std::vector<std::byte>> image = cpu.fpu();
  if (image.ok())
    context.fpu = std::move(image).value();
  else
    note(image.error());
}

void Machine::save(Context& context) {
  if (!context.fpu.empty()) return;
  if (impl_->fpu_owner == &context)
    impl_->take_fpu(context);
  else
    context.fpu = impl_->fresh_fpu;
}

void Machine::forget(Context& context) {
  if (impl_->fpu_owner == &context) impl_->fpu_owner = nullptr;
  context.fpu.clear();
}

Physical& Machine::physical() { return impl_->physical; }

const Abilities& Machine::abilities() const { return impl_->abilities; }

Result<void> Machine::reset() {
  Impl& m = *impl_;
  m.fpu_owner = nullptr;
  m.timer.stop();
  m.physical.reset();
  m.cpu.flush();
  TRY_VOID(m.cpu.restore(m.kept));
  m.failure.clear();
  return {};
}

Result<void> Machine::check_reset() {
  TRY_VOID(impl_->physical.check_template());
  const CpuState now = TRY(impl_->cpu.state());
  if (const auto part = first_difference(impl_->kept, now)) return Error{"the CPU is not as in the template: " + *part};
  return {};
}

}  // namespace shrike::sandbox::microvm
