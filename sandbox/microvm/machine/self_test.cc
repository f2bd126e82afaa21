#include "sandbox/microvm/machine/self_test.h"

#include <algorithm>
#include <vector>

#include "sandbox/microvm/machine/system_pages.h"

namespace shrike::sandbox::microvm {
namespace {

constexpr uint64_t code_address = 0x400000;
constexpr uint64_t slice_ns = 1'000'000'000;

// At these offsets of the page: what is tried.
constexpr uint64_t at_call = 0, at_write = 16, at_read_system = 32, at_int80 = 48;
constexpr uint8_t call[] = {0x0f, 0x05};         // syscall
constexpr uint8_t write[] = {0x88, 0x03};        // mov %al, (%rbx)
constexpr uint8_t read_system[] = {0x8a, 0x03};  // mov (%rbx), %al
constexpr uint8_t int80[] = {0xcd, 0x80};

std::string describe(const Exit& exit) {
  static constexpr const char* names[] = {"a call",         "a page fault", "exception ", "an interruption",
                                          "a foreign call", "a violation",  "an error: "};
  std::string text = names[static_cast<size_t>(exit.kind)];
  if (exit.kind == Exit::Kind::exception) text += std::to_string(exit.vector);
  return text + exit.what;
}

class Trial {
 public:
  Trial(Machine& machine, PageTable& table) : machine_(machine), table_(table) {}
  Exit at(uint64_t offset, uint64_t rbx) {
    context_.registers = {};
    context_.registers.rip = code_address + offset;
    context_.registers.rbx = rbx;
    return machine_.run(context_, table_, slice_ns);
  }
  [[nodiscard]] uint64_t rip() const { return context_.registers.rip - code_address; }
  ~Trial() { machine_.forget(context_); }
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

 private:
  Machine& machine_;
  PageTable& table_;
  Context context_;
};

}  // namespace

Result<Abilities> self_test(Machine& machine, const std::function<uint8_t()>& last_port) {
  std::optional<PageTable> table = PageTable::create(machine.physical());
  const std::optional<Frame> frame = machine.physical().allocate();
  if (!table || !frame) return Error{"no memory for the machine's self-test"};
  const auto page = machine.physical().bytes(*frame);
  const auto put = [&](uint64_t offset, std::span<const uint8_t> bytes) {
    std::ranges::copy(std::as_bytes(bytes), page.begin() + static_cast<std::ptrdiff_t>(offset));
  };
  put(at_call, call);
  put(at_write, write);
  put(at_read_system, read_system);
  put(at_int80, int80);
  if (!table->map(code_address, *frame, {.execute = true})) return Error{"no memory for the machine's self-test"};

  Trial trial(machine, *table);
  Abilities abilities;
  Exit exit = trial.at(at_call, 0);
  if (exit.kind != Exit::Kind::call || trial.rip() != at_call + sizeof call)
    return Error{"a system call does not work on this KVM: it came as " + describe(exit)};
  abilities.kind = last_port() == system_pages::call_port ? "hardware" : "paravirtual";
  exit = trial.at(at_write, code_address);
  if (exit.kind != Exit::Kind::fault || !exit.write || exit.address != code_address)
    return Error{"pages are not write-protected on this KVM: a write came as " + describe(exit)};
  exit = trial.at(at_read_system, system_pages::code);
  if (exit.kind != Exit::Kind::violation)
    return Error{"the machine's own pages are not protected on this KVM: a read came as " + describe(exit)};
  exit = trial.at(at_int80, 0);
  abilities.traps_int80 = exit.kind == Exit::Kind::foreign_call;
  if (!abilities.traps_int80 && exit.kind != Exit::Kind::exception)
    return Error{"int 0x80 is not refused on this KVM: it came as " + describe(exit)};
  return abilities;
}

}  // namespace shrike::sandbox::microvm
