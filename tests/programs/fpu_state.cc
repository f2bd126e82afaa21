// Tells what it finds in the floating point unit when it begins, then leaves a mess there.
//   fpu_state: mxcsr, x87 control and status word, and the bytes of xmm15 and of the upper half of ymm15, hexadecimal

#include <cpuid.h>

#include <cstdint>
#include <cstdio>

static bool has_avx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_AVX) != 0 && (c & bit_OSXSAVE) != 0;
}

int main() {
  uint32_t mxcsr = 0;
  uint16_t control = 0, status = 0;
  uint64_t wide[4] = {};
  const bool avx = has_avx();
  asm volatile("stmxcsr %0; fnstcw %1; fnstsw %2" : "=m"(mxcsr), "=m"(control), "=m"(status));
  if (avx)
    asm volatile("vmovdqu %%ymm15, %0" : "=m"(wide));
  else
    asm volatile("movdqu %%xmm15, %0" : "=m"(*reinterpret_cast<uint64_t(*)[2]>(wide)));
  std::printf("%x %x %x", mxcsr, control, status);
  for (const uint64_t word : wide) std::printf(" %llx", static_cast<unsigned long long>(word));
  std::printf("\n");
  std::fflush(stdout);

  const uint64_t secret[4] = {0x5ec2e7, 0x5ec2e7, 0x5ec2e7, 0x5ec2e7};
  const uint32_t other_mxcsr = 0x3fbf;
  const uint16_t other_control = 0x027f;
  asm volatile("ldmxcsr %0; fldcw %1; fld1; fldpi; fldz" : : "m"(other_mxcsr), "m"(other_control));
  if (avx)
    asm volatile("vmovdqu %0, %%ymm15" : : "m"(secret));
  else
    asm volatile("movdqu %0, %%xmm15" : : "m"(secret));
  asm volatile("mov $231, %%eax; xor %%edi, %%edi; syscall" : : : "rax", "rdi", "rcx", "r11", "memory");
}
