// The report's list of processes.

#include <algorithm>

#include "sandbox/microvm/kernel/system.h"

namespace shrike::sandbox::microvm {

void System::list_process(Process& process) {
  if (listed_.size() >= report_list_max) {
    ++listed_dropped_;
    return;
  }
  process.report_index = listed_.size();
  GuestProcess told;
  told.pid = process.pid;
  told.parent = process.parent == 1 ? 0 : process.parent;
  told.start_ns = clock.spent();
  listed_.push_back(std::move(told));
  list_program(process);
}

void System::list_program(Process& process) {
  if (process.report_index >= listed_.size()) return;
  GuestProcess& told = listed_[process.report_index];
  told.exe = process.exe;
  told.argv.clear();
  size_t bytes = 0;
  for (size_t at = 0; at < process.argv.size() && told.argv.size() < 64 && bytes < report_text_max;) {
    const size_t end = std::min(process.argv.find('\0', at), process.argv.size());
    told.argv.push_back(process.argv.substr(at, std::min<size_t>(end - at, report_text_max - bytes)));
    bytes += told.argv.back().size();
    at = end + 1;
  }
}

}  // namespace shrike::sandbox::microvm
