// The report of `shrike run` for people.

#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>

#include "collector/ctl/run.h"
#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using sandbox::Report;
using Lines = std::vector<std::string>;

// What fits on one screen of 50 lines; --json has all of it.
constexpr size_t reasons_most = 8, processes_most = 14, connections_most = 6, files_most = 6, refusals_most = 6;
constexpr size_t width = 110;

class Paint {
 public:
  explicit Paint(bool colour) : colour_(colour) {}
  [[nodiscard]] std::string operator()(const char* code, std::string_view text) const {
    return colour_ ? std::string("\033[") + code + "m" + std::string(text) + "\033[0m" : std::string(text);
  }
  [[nodiscard]] std::string risk(double risk, std::string_view text) const {
    return (*this)(risk >= 0.8 ? "1;31" : risk >= 0.5 ? "31" : risk >= 0.2 ? "33" : "32", text);
  }
  [[nodiscard]] std::string severity(std::string_view severity, std::string_view text) const {
    return (*this)(severity == "critical" || severity == "high" ? "31" : severity == "medium" ? "33" : "36", text);
  }
  [[nodiscard]] std::string heading(std::string_view text) const { return (*this)("1", text); }
  [[nodiscard]] std::string faint(std::string_view text) const { return (*this)("2", text); }

 private:
  bool colour_;
};

std::string clip(std::string text, size_t most) {
  if (display_width(text) <= most) return text;
  while (display_width(text) > most - 1) {
    do text.pop_back();
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80);
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0xc0) text.pop_back();
  }
  return text + "…";
}

std::string padded(std::string text, size_t to) {
  const size_t have = display_width(text);
  if (have < to) text.append(to - have, ' ');
  return text;
}

std::string seconds(uint64_t ns) {
  char text[32];
  const double value = static_cast<double>(ns) * 1e-9;
  std::snprintf(text, sizeof text, value < 0.1 ? "%.1f ms" : "%.2f s", value < 0.1 ? value * 1e3 : value);
  return text;
}

std::string figure(double value) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

std::string signal_text(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(number);
}

std::string ending(const Report& report) {
  using sandbox::Status;
  const std::string cause = report.cause.empty() ? "" : ": " + printable(report.cause);
  switch (report.status) {
    case Status::ok:
      return "ended with code " + std::to_string(report.exit_code);
    case Status::signalled:
      return "was ended by " + signal_text(report.signal) + cause;
    case Status::violation:
      return "was ended at a violation of its policy" + cause;
    case Status::timed_out:
      return "was ended when its time was up" + cause;
    case Status::setup_error:
      return "was not begun: the sandbox could not be set up" + cause;
    case Status::internal_error:
      return "is not known to have ended: the sandbox failed" + cause;
  }
  return "ended";
}

/// Adds "... and 7 more" where a list was not shown whole.
void add_rest(Lines& lines, size_t have, size_t shown, uint64_t dropped, const Paint& paint) {
  if (have <= shown && dropped == 0) return;
  std::string text = "  ... and " + with_commas(have - std::min(have, shown) + dropped) + " more";
  if (dropped > 0) text += " (" + with_commas(dropped) + " of them not kept)";
  lines.push_back(paint.faint(text));
}

void add_head(const Report& report, const Paint& paint, Lines& lines) {
  const char* words = report.risk >= 0.8   ? "very risky"
                      : report.risk >= 0.5 ? "risky"
                      : report.risk >= 0.2 ? "somewhat risky"
                                           : "nothing risky seen";
  lines.push_back(paint.risk(report.risk, "risk " + figure(report.risk)) + "  " + words + ", " +
                  std::string(backend_name(report.backend)) + " sandbox; the program " + ending(report) + ", after " +
                  seconds(report.wall_ns));
  size_t shown = 0;
  for (const auto& reason : report.reasons) {
    if (shown++ == reasons_most) break;
    const std::string count = reason.count > 1 ? " (" + with_commas(reason.count) + " times)" : "";
    lines.push_back("  " + paint.severity(reason.severity, padded(printable(reason.severity), 8)) + " " +
                    figure(reason.risk) + "  " +
                    clip(printable(reason.rule) + count + ": " + printable(reason.message), width - 16));
  }
  add_rest(lines, report.reasons.size(), reasons_most, 0, paint);
}

class Tree {
 public:
  Tree(const Report& report, const Paint& paint) : report_(report), paint_(paint) {
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
    const bool renamed = !process.argv.empty() && !process.exe.empty() &&
                         process.argv.front().substr(process.argv.front().rfind('/') + 1) !=
                             process.exe.substr(process.exe.rfind('/') + 1);
    if (renamed) command += "  [" + printable(process.exe) + "]";
    std::string end = process.end_ns == 0 ? "still there" : "";
    const int status = process.wait_status;
    if (process.end_ns != 0 && (status & 0x7f) != 0) end = signal_text(status & 0x7f);
    if (process.end_ns != 0 && (status & 0x7f) == 0 && (status >> 8 & 0xff) != 0)
      end = "code " + std::to_string(status >> 8 & 0xff);
    const std::string pid = std::to_string(process.pid);
    const size_t room = indent + 30 < width ? width - indent - 30 : 20;
    return pid + " " + clip(command, room) + "  " +
           paint_.faint(with_commas(process.calls) + (process.calls == 1 ? " call" : " calls") +
                        (end.empty() ? "" : ", " + end));
  }

  const Report& report_;
  const Paint& paint_;
  std::map<uint32_t, bool> known_;
  std::map<uint32_t, std::vector<const sandbox::GuestProcess*>> children_;
  size_t shown_ = 0;
};

void add_connections(const Report& report, const Paint& paint, Lines& lines) {
  if (report.connections.empty()) return;
  lines.push_back(paint.heading("connections") + paint.faint("  (answered by the sandbox; nothing left it)"));
  size_t shown = 0;
  for (const auto& one : report.connections) {
    if (shown++ == connections_most) break;
    std::string line = "  " + padded(printable(one.protocol), 5) + padded(printable(one.address), 26) + " sent " +
                       short_bytes(one.sent_bytes) + ", got " + short_bytes(one.received_bytes);
    if (one.pid != 0) line += ", by " + std::to_string(one.pid);
    if (!one.first_bytes.empty()) {
      const std::string first = one.first_bytes.substr(0, one.first_bytes.find_first_of("\r\n"));
      line += ": " + printable(first);
    }
    lines.push_back(clip(line, width));
  }
  add_rest(lines, report.connections.size(), connections_most, report.connections_dropped, paint);
}

void add_files(const Report& report, const Paint& paint, Lines& lines) {
  if (report.artefacts.empty()) return;
  lines.push_back(paint.heading("files written"));
  size_t shown = 0;
  for (const auto& one : report.artefacts) {
    if (shown++ == files_most) break;
    lines.push_back("  " + padded(clip(printable(one.path), 48), 48) + " " + padded(short_bytes(one.size_bytes), 10) +
                    paint.faint(" sha256 " + printable(one.sha256.substr(0, 16)) + "…"));
  }
  add_rest(lines, report.artefacts.size(), files_most, report.artefacts_dropped, paint);
}

void add_refusals(const Report& report, const Paint& paint, Lines& lines) {
  if (report.refusals.empty()) return;
  lines.push_back(paint.heading("refused"));
  size_t shown = 0;
  for (const auto& one : report.refusals) {
    if (shown++ == refusals_most) break;
    lines.push_back("  " + padded(clip(printable(one.call), 40), 28) + " " +
                    padded(with_commas(one.count) + (one.count == 1 ? " time" : " times"), 12) + printable(one.reason));
  }
  add_rest(lines, report.refusals.size(), refusals_most, report.refusals_dropped, paint);
}

void add_figures(const Report& report, const Paint& paint, Lines& lines) {
  uint64_t setup_ns = 0;
  for (const auto& step : report.steps) setup_ns += step.ns;
  lines.push_back(paint.heading("figures"));
  lines.push_back("  " + with_commas(report.calls) + " system calls, " + with_commas(report.calls_denied) +
                  " refused, " + with_commas(report.calls_unknown) + " not known; told by " + printable(report.trace) +
                  (report.events_dropped == 0 ? ", all of them" : ", " + with_commas(report.events_dropped) + " lost"));
  std::string used = "  processor " + seconds(report.cpu_ns) + ", memory " + short_bytes(report.peak_memory_bytes) +
                     ", set-up " + seconds(setup_ns);
  if (report.virtual_ns > report.wall_ns) used += ", its own clock went " + seconds(report.virtual_ns);
  const uint64_t dropped = report.stdout_dropped + report.stderr_dropped;
  if (dropped > 0) used += ", " + short_bytes(dropped) + " of its output dropped";
  lines.push_back(used);
  lines.push_back("  program sha256 " + printable(report.program_sha256));
  for (const auto& note : report.notes) lines.push_back(paint.faint("  note: " + printable(note)));
  lines.push_back("  job " + printable(report.id) + ", " + printable(report.evidence));
}

}  // namespace

std::vector<std::string> run_report_as_text(const Report& report, bool colour) {
  const Paint paint(colour);
  Lines lines;
  add_head(report, paint, lines);
  Tree(report, paint).print(lines);
  add_connections(report, paint, lines);
  add_files(report, paint, lines);
  add_refusals(report, paint, lines);
  add_figures(report, paint, lines);
  return lines;
}

}  // namespace shrike::ctl
