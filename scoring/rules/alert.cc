#include <array>

#include "common/base/bytes.h"
#include "scoring/rules/engine.h"
#include "scoring/rules/field.h"

namespace shrike::scoring {
namespace {

std::string terminal(uint32_t tty) {
  const uint32_t major = tty >> 20, minor = tty & 0xfffff;
  constexpr uint32_t consoles = 4, first_serial = 64, pts = 136, pts_last = 143;
  if (tty == 0) return {};
  if (major >= pts && major <= pts_last) return "pts/" + std::to_string((major - pts) * 256 + minor);
  if (major == consoles && minor < first_serial) return "tty" + std::to_string(minor);
  if (major == consoles) return "ttyS" + std::to_string(minor - first_serial);
  return std::to_string(major) + ":" + std::to_string(minor);
}

constexpr size_t text_max = 8192;
constexpr size_t ancestors_max = 16;

}  // namespace

Alert alert_about(const Event& event) {
  Alert alert;
  alert.time_ns = event.time_ns;
  AlertProcess& out = alert.process;
  out.pid = event.task.pid;
  out.uid = event.task.uid;
  out.tty = terminal(event.task.tty);
  out.name = event.task.name();
  out.container_id = container_id(event.process);
  out.start_ns = event.time_ns - (event.boot_ns - event.task.start_ns);
  const Process* process = event.process;
  if (process == nullptr) return alert;
  if (!process->name.empty()) out.name = process->name;
  out.exe = process->exe;
  out.cwd = process->cwd;
  out.user = process->user;
  for (const std::string& argument : process->argv) {
    if (!out.cmdline.empty()) out.cmdline += ' ';
    out.cmdline += argument;
    if (out.cmdline.size() > text_max) break;
  }
  if (out.cmdline.size() > text_max) out.cmdline.resize(text_max);
  if (process->argv.empty()) out.cmdline = out.name;
  for (const Process* up = process->parent; up != nullptr && alert.ancestors.size() < ancestors_max; up = up->parent)
    alert.ancestors.push_back(up->name);
  return alert;
}

}  // namespace shrike::scoring
