#include "sandbox/microvm/kernel/privileged.h"

#include <cstdint>
#include <map>

namespace shrike::sandbox::microvm {
namespace {

class Bytes {
 public:
  explicit Bytes(std::span<const std::byte> bytes) : bytes_(bytes) {}
  /// -1 behind the end.
  int next() { return at_ < bytes_.size() ? static_cast<int>(bytes_[at_++]) : -1; }
  [[nodiscard]] int look() const { return at_ < bytes_.size() ? static_cast<int>(bytes_[at_]) : -1; }
  void skip_prefixes() {
    while (at_ < bytes_.size() && is_prefix(look())) ++at_;
    if (look() >= 0x40 && look() <= 0x4f) ++at_;  // REX
  }

 private:
  static bool is_prefix(int byte) {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
      case 0x64:
      case 0x65:
      case 0x66:
      case 0x67:
      case 0xf0:
      case 0xf2:
      case 0xf3:
        return true;
      default:
        return false;
    }
  }
  std::span<const std::byte> bytes_;
  size_t at_ = 0;
};

std::string number(const char* what, int register_number) { return what + std::to_string(register_number); }

// 0f 00 and 0f 01: tables, task, and, where the operand is no memory, all that was added later.
std::string of_group(bool second, int modrm) {
  static const char* const first_names[8] = {"sldt", "str", "lldt", "ltr", "", "", "", ""};
  static const char* const second_names[8] = {"sgdt", "sidt", "lgdt", "lidt", "smsw", "", "lmsw", "invlpg"};
  static const std::map<int, const char*> whole{
      {0xc1, "vmcall"}, {0xc2, "vmlaunch"}, {0xc3, "vmresume"}, {0xc4, "vmxoff"}, {0xc8, "monitor"},
      {0xc9, "mwait"},  {0xca, "clac"},     {0xcb, "stac"},     {0xcf, "encls"},  {0xd1, "xsetbv"},
      {0xd8, "vmrun"},  {0xd9, "vmmcall"},  {0xda, "vmload"},   {0xdb, "vmsave"}, {0xdc, "stgi"},
      {0xdd, "clgi"},   {0xde, "skinit"},   {0xdf, "invlpga"},  {0xf8, "swapgs"}};
  if (modrm < 0) return {};
  const size_t operation = static_cast<size_t>(modrm >> 3 & 7);
  if (!second) return first_names[operation];
  if (modrm < 0xc0 || operation == 4 || operation == 6) return second_names[operation];
  const auto found = whole.find(modrm);
  return found == whole.end() ? std::string() : found->second;
}

std::string of_two_bytes(Bytes& bytes) {
  const int opcode = bytes.next();
  const int modrm = bytes.look();
  switch (opcode) {
    case 0x00:
      return of_group(false, modrm);
    case 0x01:
      return of_group(true, modrm);
    case 0x06:
      return "clts";
    case 0x07:
      return "sysret";
    case 0x08:
      return "invd";
    case 0x09:
      return "wbinvd";
    case 0x20:
    case 0x22:
      return modrm < 0 ? std::string() : number(opcode == 0x20 ? "mov from cr" : "mov to cr", modrm >> 3 & 7);
    case 0x21:
    case 0x23:
      return modrm < 0 ? std::string() : number(opcode == 0x21 ? "mov from dr" : "mov to dr", modrm >> 3 & 7);
    case 0x30:
      return "wrmsr";
    case 0x32:
      return "rdmsr";
    case 0x33:
      return "rdpmc";
    case 0x35:
      return "sysexit";
    case 0xaa:
      return "rsm";
    default:
      return {};
  }
}

std::string interrupt_name(int vector) {
  static const char digits[] = "0123456789abcdef";
  return vector < 0 ? std::string() : std::string("int 0x") + digits[vector >> 4] + digits[vector & 15];
}

}  // namespace

std::string privileged_name(std::span<const std::byte> raw) {
  Bytes bytes(raw);
  bytes.skip_prefixes();
  const int opcode = bytes.next();
  switch (opcode) {
    case 0x0f:
      return of_two_bytes(bytes);
    case 0x6c:
    case 0x6d:
      return "ins";
    case 0x6e:
    case 0x6f:
      return "outs";
    case 0xcd:
      return interrupt_name(bytes.next());
    case 0xe4:
    case 0xe5:
    case 0xec:
    case 0xed:
      return "in";
    case 0xe6:
    case 0xe7:
    case 0xee:
    case 0xef:
      return "out";
    case 0xf4:
      return "hlt";
    case 0xfa:
      return "cli";
    case 0xfb:
      return "sti";
    default:
      return {};
  }
}

}  // namespace shrike::sandbox::microvm
