#pragma once
// <linux/kvm.h> as C++ needs it, and one call for every ioctl.

// Debian 12's <linux/stddef.h> gives a flexible array in C++ a struct of size 1 in front: sizeof(kvm_cpuid2) is 12
// then, and the numbers of ioctls, which have sizes in them, are wrong.
#include <linux/stddef.h>
#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(type, name) type name[0]
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <linux/kvm.h>
#pragma GCC diagnostic pop
#include <sys/ioctl.h>

#include <string>

#include "common/base/fd.h"
#include "common/base/result.h"

namespace shrike::sandbox::microvm {

static_assert(sizeof(kvm_cpuid2) == 8 && sizeof(kvm_msrs) == 8 && sizeof(kvm_msr_list) == 4);
static_assert(sizeof(kvm_regs) == 144 && sizeof(kvm_sregs) == 312 && sizeof(kvm_run) == 2352);
static_assert(sizeof(kvm_userspace_memory_region) == 32 && sizeof(kvm_xsave) == 4096);

/// The ioctl's value. Errors: errno, with the request's name.
template <class Argument>
Result<int> kvm_request(const Fd& fd, unsigned long code, Argument argument, const char* name) {
  const int value = ::ioctl(fd.get(), code, argument);
  if (value < 0) return errno_error(name);
  return value;
}

}  // namespace shrike::sandbox::microvm

#define KVM_REQUEST(fd, code, argument) ::shrike::sandbox::microvm::kvm_request(fd, code, argument, #code)
