// The report of `shrike run` for people.

#include <algorithm>
#include <cstdio>

#include "collector/ctl/output.h"
#include "collector/ctl/run.h"
#include "collector/ctl/run_text.h"
#include "collector/ctl/times.h"
#include "common/wire/text.h"

namespace shrike::ctl {
namespace {

using sandbox::Report;

// What fits on one screen of 50 lines; --json has all of it.
constexpr size_t reasons_most = 6, connections_most = 6, files_most = 6, refusals_most = 6;

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

std::string in_words(double risk) {
  return risk >= 0.8   ? "very risky"
         : risk >= 0.5 ? "risky"
         : risk >= 0.3 ? "somewhat risky"
         : risk > 0    ? "little risk seen"
                       : "nothing risky seen";
}

/// A rule's message ends with fields in brackets, which the tree below has too.
std::string_view without_fields(std::string_view message) {
  const size_t at = message.find(" (user=");
  return at != std::string_view::npos && at > 0 ? message.substr(0, at) : message;
}

void add_reason(const sandbox::Reason& reason, const Paint& paint, size_t width, Lines& lines) {
  constexpr size_t indent = 17;
  const std::string count = reason.count > 1 ? " (" + with_commas(reason.count) + " times)" : "";
  const std::string rule = printable(reason.rule) + count, message = printable(without_fields(reason.message));
  const std::string begin =
      "  " + paint.severity(reason.severity, padded(printable(reason.severity), 8)) + " " + figure(reason.risk) + "  ";
  if (indent + display_width(rule) + 2 + display_width(message) <= width) {
    lines.push_back(begin + rule + ": " + message);
    return;
  }
  lines.push_back(begin + clip(rule, width - indent));
  lines.push_back(std::string(indent, ' ') + clip(message, width - indent));
}

void add_head(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  const std::string risk = "risk " + figure(report.risk);
  const std::string rest = "  " + in_words(report.risk) + "; " + std::string(backend_name(report.backend)) + " sandbox";
  const std::string end = ending(report) + ", after " + seconds(report.wall_ns);
  const bool fits = risk.size() + rest.size() + 2 + display_width(end) <= width;
  lines.push_back(paint.risk(report.risk, risk) + rest + (fits ? ", " + end : ""));
  if (!fits) lines.push_back("  the program " + clip(end, width - 14));
  const size_t shown = std::min(report.reasons.size(), reasons_most);
  for (size_t i = 0; i < shown; ++i) add_reason(report.reasons[i], paint, width, lines);
  add_rest(lines, report.reasons.size(), reasons_most, 0, paint);
}

/// The first line of what was said, or, where that is not for reading, what it was.
std::string said(const sandbox::Connection& one) {
  std::string name = printable(one.name);
  if (one.protocol == "dns" && !name.empty()) return "asked for " + name;
  if (one.protocol == "tls") return name.empty() ? "encrypted (TLS)" : "encrypted (TLS), for " + name;
  if (one.first_bytes.empty()) return name;
  const std::string_view first = std::string_view(one.first_bytes).substr(0, one.first_bytes.find_first_of("\r\n"));
  const bool text = std::all_of(first.begin(), first.end(), [](unsigned char c) { return c == '\t' || c >= 0x20; });
  if (!text || first.empty()) return "bytes that are no text";
  // An address for a name is in the line already.
  return (name.empty() || one.address.starts_with(one.name) ? "" : name + ": ") + printable(first);
}

void add_connections(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  // A datagram socket that is only connected asks which of our addresses it would have: resolvers do.
  std::vector<const sandbox::Connection*> telling;
  for (const auto& one : report.connections)
    if (one.protocol != "udp" || one.sent_bytes + one.received_bytes > 0) telling.push_back(&one);
  if (telling.empty() && report.connections_dropped == 0) return;
  lines.push_back(paint.heading("connections") + paint.faint("  (answered by the sandbox; nothing left it)"));
  for (size_t i = 0; i < std::min(telling.size(), connections_most); ++i) {
    const auto& one = *telling[i];
    std::string line = "  " + padded(printable(one.protocol), 5) + padded(printable(one.address), 22) + " ";
    if (one.pid != 0) line += "by " + std::to_string(one.pid) + ", ";
    line += one.sent_bytes + one.received_bytes == 0
                ? "nothing was said"
                : "sent " + short_bytes(one.sent_bytes) + ", got " + short_bytes(one.received_bytes);
    if (const std::string what = said(one); !what.empty()) line += ": " + what;
    lines.push_back(clip(line, width));
  }
  add_rest(lines, telling.size(), connections_most, report.connections_dropped, paint);
}

void add_files(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  if (report.artefacts.empty()) return;
  lines.push_back(paint.heading("files written"));
  const size_t room = std::clamp(width - 40, size_t{20}, size_t{60});
  size_t shown = 0;
  for (const auto& one : report.artefacts) {
    if (shown++ == files_most) break;
    const std::string hash = one.sha256.empty() ? "" : " sha256 " + printable(one.sha256.substr(0, 16)) + "…";
    lines.push_back("  " + padded(clip(printable(one.path), room), room) + " " +
                    padded(short_bytes(one.size_bytes), 10) + paint.faint(hash));
  }
  add_rest(lines, report.artefacts.size(), files_most, report.artefacts_dropped, paint);
}

void add_refusals(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  // Every program with threads asks for clone3 and takes clone; --json has it.
  std::vector<const sandbox::Refusal*> telling;
  for (const auto& one : report.refusals)
    if (one.call != "clone3") telling.push_back(&one);
  if (telling.empty()) return;
  lines.push_back(paint.heading("refused"));
  const size_t room = std::clamp(width - 44, size_t{20}, size_t{44});
  for (size_t i = 0; i < std::min(telling.size(), refusals_most); ++i) {
    const auto& one = *telling[i];
    const std::string times = with_commas(one.count) + (one.count == 1 ? " time" : " times");
    lines.push_back(clip(
        "  " + padded(clip(printable(one.call), room), room) + " " + padded(times, 9) + " " + printable(one.reason),
        width));
  }
  add_rest(lines, telling.size(), refusals_most, report.refusals_dropped, paint);
}

void add_figures(const Report& report, const Paint& paint, size_t width, Lines& lines) {
  constexpr uint64_t second_ns = 1'000'000'000;
  uint64_t setup_ns = 0;
  for (const auto& step : report.steps) setup_ns += step.ns;
  lines.push_back(paint.heading("figures"));
  lines.push_back(
      "  " + with_commas(report.calls) + " system calls, " + with_commas(report.calls_denied) + " refused, " +
      with_commas(report.calls_unknown) + " not known here; " +
      (report.events_dropped == 0 ? "all were seen" : with_commas(report.events_dropped) + " were not seen") + " (" +
      printable(report.trace) + ")");
  std::string used = "  processor " + seconds(report.cpu_ns) + ", memory " + short_bytes(report.peak_memory_bytes) +
                     ", set-up " + seconds(setup_ns);
  if (report.virtual_ns > report.wall_ns + second_ns) used += ", its own clock went " + seconds(report.virtual_ns);
  const uint64_t dropped = report.stdout_dropped + report.stderr_dropped;
  if (dropped > 0) used += ", " + short_bytes(dropped) + " of its output dropped";
  lines.push_back(used);
  lines.push_back("  sha256 " + printable(report.program_sha256));
  for (const auto& note : report.notes) lines.push_back(paint.faint(clip("  note: " + printable(note), width)));
  lines.push_back("  job " + printable(report.id) + ", " + printable(report.evidence));
}

}  // namespace

std::vector<std::string> run_report_as_text(const Report& report, bool colour, size_t width) {
  const Paint paint(colour);
  width = std::clamp(width, size_t{60}, size_t{200});
  Lines lines;
  add_head(report, paint, width, lines);
  add_tree(report, paint, width, lines);
  add_connections(report, paint, width, lines);
  add_files(report, paint, width, lines);
  add_refusals(report, paint, width, lines);
  add_figures(report, paint, width, lines);
  return lines;
}

}  // namespace shrike::ctl
