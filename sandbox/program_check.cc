#include "sandbox/program.h"
namespace shrike::sandbox {
Result<void> run_check(const CheckOptions&) { return Error{"not here"}; }
}  // namespace shrike::sandbox
