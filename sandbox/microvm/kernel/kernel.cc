#include "sandbox/microvm/kernel/kernel.h"

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

struct Kernel::Impl {
  System system;
};

Kernel::Kernel(Cpu& cpu, Physical& physical, FileSystem& files, CallSink& calls, KernelOptions options)
    : impl_(new Impl{System(cpu, physical, files, calls, std::move(options))}) {}

Kernel::~Kernel() = default;

Result<void> Kernel::start(const std::string& program, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment, const std::string& cwd, FilePtr input) {
  return impl_->system.start(program, arguments, environment, cwd, std::move(input));
}

void Kernel::run(Report& report) { impl_->system.run(report); }

}  // namespace shrike::sandbox::microvm
