#include "sandbox/microvm/machine/cpu_state.h"

#include <algorithm>
#include <cstring>

#include "common/base/bytes.h"
#include "sandbox/microvm/machine/kvm.h"

namespace shrike::sandbox::microvm {
namespace {

// What the state is read and written with, one ioctl each. Order matters when writing: the special registers decide
// what the others mean.
struct Ioctl {
  const char* name;
  unsigned long get, set;
  size_t bytes;
};
constexpr Ioctl ioctls[] = {
    {"special registers", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(kvm_sregs)},
    {"registers", KVM_GET_REGS, KVM_SET_REGS, sizeof(kvm_regs)},
    {"extended control registers", KVM_GET_XCRS, KVM_SET_XCRS, sizeof(kvm_xcrs)},
    {"FPU", KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(kvm_xsave)},
    {"debug registers", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(kvm_debugregs)},
    {"events", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(kvm_vcpu_events)},
    {"run state", KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(kvm_mp_state)},
};

// They count by themselves, or say where the host's clock is.
constexpr uint32_t clocks[] = {0x10 /* TSC */,   0x3b /* TSC_ADJUST */,    0xe7 /* MPERF */,
                               0xe8 /* APERF */, 0x6e0 /* TSC_DEADLINE */, 0x4000'0010 /* Hyper-V's run time */,
                               0x4000'0020 /* and reference time */};

std::vector<std::byte> msr_request(const std::vector<kvm_msr_entry>& entries) {
  std::vector<std::byte> bytes(sizeof(kvm_msrs) + entries.size() * sizeof(kvm_msr_entry));
  store_le(bytes.data(), static_cast<uint32_t>(entries.size()));
  std::memcpy(bytes.data() + sizeof(kvm_msrs), entries.data(), entries.size() * sizeof(kvm_msr_entry));
  return bytes;
}

std::string msr_name(uint32_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "msr %#x", number);
  return name;
}

}  // namespace

Result<CpuState> read_cpu_state(const Fd& cpu, const std::vector<uint32_t>& msrs) {
  CpuState state;
  for (const Ioctl& ioctl : ioctls) {
    CpuState::Part part{ioctl.name, std::vector<std::byte>(ioctl.bytes)};
    TRY(kvm_request(cpu, ioctl.get, part.bytes.data(), ioctl.name));
    state.parts.push_back(std::move(part));
  }
  std::vector<kvm_msr_entry> entries;
  for (const uint32_t number : msrs) entries.push_back({number, 0, 0});
  std::vector<std::byte> request = msr_request(entries);
  const int read = TRY(KVM_REQUEST(cpu, KVM_GET_MSRS, request.data()));
  for (size_t i = 0; i < static_cast<size_t>(read); ++i) {
    const std::byte* entry = request.data() + sizeof(kvm_msrs) + i * sizeof(kvm_msr_entry);
    const std::byte* value = entry + offsetof(kvm_msr_entry, data);
    state.parts.push_back({msr_name(load_le<uint32_t>(entry)), {value, value + sizeof(uint64_t)}});
  }
  if (static_cast<size_t>(read) != msrs.size())
    return Error{"KVM does not tell " + msr_name(msrs[static_cast<size_t>(read)])};
  return state;
}

Result<void> write_cpu_state(const Fd& cpu, const CpuState& state, const CpuState& now) {
  std::vector<kvm_msr_entry> entries;
  for (size_t i = 0; i < state.parts.size(); ++i) {
    const CpuState::Part& part = state.parts[i];
    if (i < now.parts.size() && now.parts[i] == part) continue;
    if (i < std::size(ioctls)) {
      std::vector<std::byte> bytes = part.bytes;
      TRY(kvm_request(cpu, ioctls[i].set, bytes.data(), ioctls[i].name));
    } else {
      const auto number = static_cast<uint32_t>(std::strtoul(part.name.c_str() + std::strlen("msr "), nullptr, 16));
      entries.push_back({number, 0, load_le<uint64_t>(part.bytes.data())});
    }
  }
  if (entries.empty()) return {};
  std::vector<std::byte> request = msr_request(entries);
  const int written = TRY(KVM_REQUEST(cpu, KVM_SET_MSRS, request.data()));
  if (static_cast<size_t>(written) != entries.size())
    return Error{"KVM refuses " + msr_name(entries[static_cast<size_t>(written)].index)};
  return {};
}

std::optional<std::string> first_difference(const CpuState& a, const CpuState& b) {
  const auto [in_a, in_b] = std::ranges::mismatch(a.parts, b.parts);
  if (in_a != a.parts.end()) return in_a->name;
  if (in_b != b.parts.end()) return in_b->name;
  return std::nullopt;
}

Result<std::vector<uint32_t>> msrs_to_keep(const Fd& kvm) {
  std::vector<uint32_t> list(1 + 1024);
  list[0] = 1024;
  TRY(KVM_REQUEST(kvm, KVM_GET_MSR_INDEX_LIST, list.data()));
  std::vector<uint32_t> numbers(list.begin() + 1, list.begin() + 1 + list[0]);
  std::erase_if(numbers, [](uint32_t number) { return std::ranges::find(clocks, number) != std::end(clocks); });
  return numbers;
}

}  // namespace shrike::sandbox::microvm
