#include "sandbox/microvm/kernel/signal_frame.h"

#include <algorithm>
#include <cstring>

#include "common/base/bytes.h"

namespace shrike::sandbox::microvm {
namespace {
constexpr size_t legacy_bytes = 512, header_bytes = 64, avx_bytes = 256;
constexpr size_t state_bits_at = 512, compaction_at = 520;
constexpr size_t mxcsr_at = 24, mxcsr_mask_at = 28, software_at = 464;
constexpr uint32_t magic1 = 0x46505853, magic2 = 0x46505845;
// CF PF AF ZF SF TF DF OF RF AC
constexpr uint64_t flags_of_programs = 0x50dd5;
}  // namespace

void registers_to_frame(const Registers& from, SignalFrame& to) {
  to.r8 = from.r8, to.r9 = from.r9, to.r10 = from.r10, to.r11 = from.r11;
  to.r12 = from.r12, to.r13 = from.r13, to.r14 = from.r14, to.r15 = from.r15;
  to.rdi = from.rdi, to.rsi = from.rsi, to.rbp = from.rbp, to.rbx = from.rbx, to.rdx = from.rdx;
  to.rax = from.rax, to.rcx = from.rcx, to.rsp = from.rsp, to.rip = from.rip, to.rflags = from.rflags;
}

void registers_from_frame(const SignalFrame& from, Registers& to) {
  to.r8 = from.r8, to.r9 = from.r9, to.r10 = from.r10, to.r11 = from.r11;
  to.r12 = from.r12, to.r13 = from.r13, to.r14 = from.r14, to.r15 = from.r15;
  to.rdi = from.rdi, to.rsi = from.rsi, to.rbp = from.rbp, to.rbx = from.rbx, to.rdx = from.rdx;
  to.rax = from.rax, to.rcx = from.rcx, to.rsp = from.rsp, to.rip = from.rip;
  to.rflags = (from.rflags & flags_of_programs) | 0x202;
}

size_t fpu_used_bytes(std::span<const std::byte> image) {
  if (image.size() < legacy_bytes + header_bytes) return 0;
  const auto state = load_le<uint64_t>(&image[state_bits_at]);
  if ((state & ~uint64_t{3}) == 0) return legacy_bytes + header_bytes;
  if ((state & ~uint64_t{7}) == 0) return std::min(image.size(), legacy_bytes + header_bytes + avx_bytes);
  return image.size();
}

void mark_fpu(std::vector<std::byte>& image) {
  const auto size = static_cast<uint32_t>(image.size());
  const auto state = load_le<uint64_t>(&image[state_bits_at]);
  store_le(&image[software_at], magic1);
  store_le(&image[software_at + 4], size + 4);
  store_le(&image[software_at + 8], state | 3);
  store_le(&image[software_at + 16], size);
  image.resize(size + 4);
  store_le(&image[size], magic2);
}

uint64_t fpu_state(std::span<const std::byte> image) {
  return image.size() < legacy_bytes + header_bytes ? 0 : load_le<uint64_t>(&image[state_bits_at]);
}

std::vector<std::byte> clean_fpu(std::vector<std::byte> image, std::span<const std::byte> own, uint64_t features) {
  if (image.size() < legacy_bytes + header_bytes || own.size() < legacy_bytes + header_bytes) return {};
  image.resize(own.size());
  store_le(&image[state_bits_at], fpu_state(image) & (features | 3));
  std::memset(&image[compaction_at], 0, header_bytes - 8);
  std::memset(&image[software_at], 0, legacy_bytes - software_at);
  auto mask = load_le<uint32_t>(&own[mxcsr_mask_at]);
  if (mask == 0) mask = 0xffbf;
  store_le(&image[mxcsr_at], load_le<uint32_t>(&image[mxcsr_at]) & mask);
  store_le(&image[mxcsr_mask_at], mask);
  return image;
}

}  // namespace shrike::sandbox::microvm
