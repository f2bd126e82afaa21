// Who made whom.

#include <map>

#include "collector/ctl/output.h"
#include "collector/ctl/run_text.h"
#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using sandbox::Report;

constexpr size_t processes_most = 14;

std::string_view last_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// Whether a process calls itself otherwise than its file is called, beyond what links and versions explain: "python3"
/// is python3.11, "cc" x86_64-linux-gnu-gcc-12, "sh" whatever shell there is.
bool is_another(std::string_view called, std::string_view exe) {
  std::string_view name = last_of(called);
  const std::string_view file = last_of(exe);
  if (name.starts_with('-')) name.remove_prefix(1);
  if (file.empty() || name == file) return false;
  const bool shell = name == "sh" && (file == "dash" || file == "bash" || file == "busybox");
  const bool part =
      name.size() > 1 && (file.find(name) != std::string_view::npos || name.find(file) != std::string_view::npos);
  const bool of_alternatives =
      exe.starts_with("/usr/bin/") && (file == "mawk" || file == "gawk" || file.starts_with("vim"));
  return !shell && !part && !of_alternatives;
}

class Tree {
 public:
  Tree(const Report& report, const Paint& paint, size_t width) : report_(report), paint_(paint), width_(width) {
    for (const auto& process : report.processes) known_[process.pid] = true;
    for (const auto& process : report.processes) {
      const bool root = process.parent == 0 || process.parent == process.pid || !known_.contains(process.parent);
      children_[root ? 0 : process.parent].push_back(&process);
    }
  }
  void print(Lines& lines) {
    if (report_.processes.empty()) return;
    lines.push_back(paint_.heading("processes"));
    below(0, "  ", true, lines);
    add_rest(lines, report_.processes.size(), shown_, report_.processes_dropped, paint_);
  }

 private:
  void below(uint32_t pid, const std::string& indent, bool top, Lines& lines, size_t depth = 0) {
    constexpr size_t depth_most = 16;
    const auto at = children_.find(pid);
    if (at == children_.end() || depth > depth_most) return;
    for (size_t i = 0; i < at->second.size(); ++i) {
      if (shown_ == processes_most) return;
      ++shown_;
      const auto& process = *at->second[i];
      const bool last = i + 1 == at->second.size();
      lines.push_back(indent + (top ? "" : last ? "└─ " : "├─ ") + line(process, indent.size()));
      if (process.pid != pid) below(process.pid, indent + (top ? "" : last ? "   " : "│  "), false, lines, depth + 1);
    }
  }
  [[nodiscard]] std::string line(const sandbox::GuestProcess& process, size_t indent) const {
    std::string command;
    for (const auto& argument : process.argv) command += (command.empty() ? "" : " ") + printable(argument);
    if (command.empty()) command = printable(process.exe);
    const bool renamed = !process.argv.empty() && is_another(process.argv.front(), process.exe);
    const std::string really = renamed ? "  (really " + clip(printable(process.exe), 40) + ")" : "";
    std::string end = process.end_ns == 0 ? "still there" : "";
    const int status = process.wait_status;
    if (process.end_ns != 0 && (status & 0x7f) != 0) end = signal_text(status & 0x7f);
    if (process.end_ns != 0 && (status & 0x7f) == 0 && (status >> 8 & 0xff) != 0)
      end = "code " + std::to_string(status >> 8 & 0xff);
    const std::string pid = std::to_string(process.pid);
    const size_t taken = indent + 30 + display_width(really);
    return pid + " " + clip(command, taken + 20 < width_ ? width_ - taken : 20) + really + "  " +
           paint_.faint(with_commas(process.calls) + (process.calls == 1 ? " call" : " calls") +
                        (end.empty() ? "" : ", " + end));
  }

  const Report& report_;
  const Paint& paint_;
  const size_t width_;
  std::map<uint32_t, bool> known_;
  std::map<uint32_t, std::vector<const sandbox::GuestProcess*>> children_;
  size_t shown_ = 0;
};

}  // namespace

void add_tree(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  Tree(report, paint, width).print(lines);
}

}  // namespace shrike::ctl
