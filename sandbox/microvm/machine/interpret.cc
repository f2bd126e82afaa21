// Exceptions: AMD64 Architecture Programmer's Manual, volume 2, 8.2; SYSCALL: volume 3.

#include "sandbox/microvm/machine/interpret.h"

namespace shrike::sandbox::microvm {
namespace {

namespace pages = system_pages;

constexpr uint8_t debug = 1, invalid_opcode = 6, double_fault = 8, general_protection = 13, page_fault = 14;
constexpr uint64_t fault_present = 1 << 0, fault_write = 1 << 1, fault_execute = 1 << 4;

Exit violation(std::string what, uint64_t address) {
  Exit exit;
  exit.kind = Exit::Kind::violation;
  exit.address = address;
  exit.what = std::move(what);
  return exit;
}

Exit broken(std::string what) {
  Exit exit;
  exit.what = std::move(what);
  return exit;
}

bool bytes_at(const Code& code, uint64_t address, uint8_t first, uint8_t second) {
  return code(address) == first && code(address + 1) == second;
}

// SYSCALL has put rip into rcx and rflags into r11.
void leave_call(Registers& registers) {
  registers.rip = registers.rcx;
  registers.rflags = user_flags(registers.r11);
}

// In ring 3 anyone can jump to where SYSCALL leads to, with any rcx. Where the instruction before rcx is SYSCALL, that
// is no more than to jump there.
Exit call_from_ring3(const Code& code, Registers& registers) {
  if (!bytes_at(code, registers.rcx - 2, 0x0f, 0x05)) return violation("jumped into the stub", pages::call_entry);
  leave_call(registers);
  Exit exit;
  exit.kind = Exit::Kind::call;
  return exit;
}

Exit call_from_ring0(Registers& registers) {
  leave_call(registers);
  Exit exit;
  exit.kind = Exit::Kind::call;
  return exit;
}

bool is_prefix(uint8_t byte) {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return byte >= 0x40 && byte <= 0x4f;
  }
}

// Where `int 0x80` or `sysenter` ends, if one of them is at rip, with any prefixes.
std::optional<uint64_t> behind_foreign_call(uint64_t rip, const Code& code) {
  constexpr int prefixes_most = 13;
  for (int i = 0; i < prefixes_most; ++i, ++rip) {
    const auto byte = code(rip);
    if (!byte) return std::nullopt;
    if (is_prefix(*byte)) continue;
    if (bytes_at(code, rip, 0xcd, 0x80) || bytes_at(code, rip, 0x0f, 0x34)) return rip + 2;
    return std::nullopt;
  }
  return std::nullopt;
}

Exit exit_of_fault(const Left& left) {
  const bool execute = (left.frame.error_code & fault_execute) != 0;
  const bool write = (left.frame.error_code & fault_write) != 0;
  if (left.fault_address >= pages::begin && left.fault_address < pages::end)
    return violation(execute ? "jumped into the machine's pages"
                     : write ? "wrote to the machine's pages"
                             : "read the machine's pages",
                     left.fault_address);
  Exit exit;
  exit.kind = Exit::Kind::fault;
  exit.address = left.fault_address;
  exit.write = write;
  exit.execute = execute;
  exit.present = (left.frame.error_code & fault_present) != 0;
  return exit;
}

Exit exit_of_exception(const Left& left, uint8_t vector, const Code& code, Registers& registers) {
  registers.rip = left.frame.rip;
  registers.rsp = left.frame.rsp;
  registers.rflags = user_flags(left.frame.rflags);
  const bool from_ring3 = (left.frame.cs & 3) == 3;
  const bool at_entry = left.frame.rip == pages::call_entry;
  if (!from_ring3) {
    // Single-stepping SYSCALL: the trap comes behind it.
    if (vector == debug && at_entry) return call_from_ring0(registers);
    return broken("exception " + std::to_string(vector) + " in ring 0");
  }
  if (at_entry && ((vector == page_fault && left.fault_address == pages::call_entry) || vector == debug))
    return call_from_ring3(code, registers);
  if (vector == page_fault) return exit_of_fault(left);
  if (vector == double_fault) return broken("double fault");
  Exit exit;
  exit.kind = Exit::Kind::exception;
  exit.vector = vector;
  exit.error_code = left.frame.error_code;
  if (vector != invalid_opcode && vector != general_protection) return exit;
  if (const auto behind = behind_foreign_call(registers.rip, code)) {
    registers.rip = *behind;
    exit.kind = Exit::Kind::foreign_call;
  }
  return exit;
}

}  // namespace

uint64_t user_flags(uint64_t flags) {
  constexpr uint64_t settable = 0x24'4dd5;  // ID AC NT OF DF TF SF ZF AF PF CF
  constexpr uint64_t always = 0x202;        // IF and the bit that is one
  return (flags & settable) | always;
}

Exit interpret(const Left& left, const Code& code, Registers& registers) {
  registers = left.registers;
  if (left.port == pages::call_port) return call_from_ring0(registers);
  if (left.port >= pages::exception_port && left.port < pages::exception_port + pages::exceptions)
    return exit_of_exception(left, static_cast<uint8_t>(left.port - pages::exception_port), code, registers);
  if (left.port == pages::compat_port) return violation("a call from 32-bit code", registers.rcx);
  return broken("ring 0 wrote to port " + std::to_string(left.port));
}

Exit interpret_entered(const Registers& at_entry, bool ring3, const Code& code, Registers& registers) {
  registers = at_entry;
  return ring3 ? call_from_ring3(code, registers) : call_from_ring0(registers);
}

}  // namespace shrike::sandbox::microvm
