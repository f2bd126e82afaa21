// CEF:0: seven header fields between pipes, then key=value. The header escapes backslash and pipe, an extension's value
// backslash, equals and newlines; all other control characters have no form there and become spaces.

#include <algorithm>
#include <cstdio>
#include <utility>

#include "common/format/format.h"
#include "common/format/text.h"

#ifndef SHRIKE_VERSION
#define SHRIKE_VERSION "0.0.0"
#endif

namespace shrike {
namespace {

using format::clean;

// The dictionary's lengths are for the key's consumers; longer values are cut there in ways nobody chooses.
constexpr size_t header_max_bytes = 512;
constexpr size_t message_max_bytes = 1023;
constexpr size_t value_max_bytes = 4000;

std::string cut(std::string text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  text.resize(most);
  return text;
}

/// C1 controls are two bytes in UTF-8: 0xc2 and 0x80..0x9f. U+2028 and U+2029 end lines for some readers.
size_t control_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u; };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) return 2;
  if (byte(0) == 0xe2 && byte(1) == 0x80 && (byte(2) == 0xa8 || byte(2) == 0xa9)) return 3;
  return 0;
}

std::string header(std::string_view bytes) {
  const std::string text = cut(clean(bytes), header_max_bytes);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t control = control_at(text, at);
    if (control == 0 && (text[at] == '\\' || text[at] == '|')) out += '\\';
    out += control == 0 ? text[at] : ' ';
    at += std::max<size_t>(control, 1);
  }
  return out;
}

std::string value(std::string_view bytes, size_t most) {
  const std::string text = cut(clean(bytes), most);
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t control = control_at(text, at);
    if (text[at] == '\n')
      out += "\\n";
    else if (text[at] == '\r')
      out += "\\r";
    else if (control != 0)
      out += ' ';
    else if (text[at] == '\\' || text[at] == '=')
      out.append("\\").append(1, text[at]);
    else
      out += text[at];
    at += std::max<size_t>(control, 1);
  }
  // A reader takes the space before a key for the separator: one at the end would be lost, many would hide a key.
  const size_t end = out.find_last_not_of(' ');
  out.erase(end == std::string::npos ? 0 : end + 1);
  return out;
}

int severity_of(Severity severity) {
  constexpr int scale[] = {1, 3, 5, 8, 10};
  return scale[std::min<size_t>(static_cast<size_t>(severity), std::size(scale) - 1)];
}

std::string milliseconds(uint64_t ns) { return std::to_string(ns / 1'000'000); }

}  // namespace

std::string alert_to_cef(const Alert& alert) {
  std::string out = "CEF:0|Shrike|Shrike|" SHRIKE_VERSION "|";
  out.append(source_name(alert.source)).append(":").append(header(alert.rule)).append("|");
  out.append(header(alert.rule)).append("|").append(std::to_string(severity_of(alert.severity))).append("|");
  bool first = true;
  const auto add = [&](std::string_view key, std::string_view text, size_t most = value_max_bytes) {
    if (text.empty()) return;
    if (!std::exchange(first, false)) out += ' ';
    out.append(key).append("=").append(value(text, most));
  };
  const auto custom = [&](const char* key, const char* label, std::string_view text) {
    if (text.empty()) return;
    add(key, text);
    add(std::string(key) + "Label", label);
  };
  const AlertProcess& process = alert.process;
  add("rt", milliseconds(alert.time_ns));
  add("start", milliseconds(alert.first_time_ns != 0 ? alert.first_time_ns : alert.time_ns));
  add("end", milliseconds(alert.last_time_ns != 0 ? alert.last_time_ns : alert.time_ns));
  add("dvchost", alert.node, 100);
  add("externalId", alert.uid);
  add("act", activity_name(alert.activity));
  add("cat", source_name(alert.source));
  add("cnt", std::to_string(alert.count));
  add("msg", alert.message, message_max_bytes);
  add("sproc", process.name, message_max_bytes);
  add("spid", std::to_string(process.pid));
  add("suid", std::to_string(process.uid));
  add("suser", process.user, message_max_bytes);
  add("filePath", process.exe, message_max_bytes);
  custom("cs1", "commandLine", process.cmdline);
  custom("cs2", "containerId", process.container_id);
  std::string attack;
  for (const std::string& id : alert.attack) attack.append(attack.empty() ? "" : ",").append(id);
  custom("cs3", "attack", attack);
  std::string ancestors;
  for (const std::string& name : alert.ancestors) ancestors.append(ancestors.empty() ? "" : ",").append(name);
  custom("cs4", "ancestors", ancestors);
  if (!alert.evidence.lane.empty())
    custom("cs5", "evidence",
           alert.evidence.lane + "/" + std::to_string(alert.evidence.seq) + "/" + std::to_string(alert.evidence.index) +
               "/" + alert.evidence.verdict);
  std::string fields;
  for (const auto& [name, text] : alert.fields)
    fields.append(fields.empty() ? "" : " ").append(name).append("=").append(text);
  custom("cs6", "fields", fields);
  char number[32];
  std::snprintf(number, sizeof number, "%.4f", alert.confidence);
  custom("cfp1", "confidence", number);
  std::snprintf(number, sizeof number, "%.4f", alert.risk);
  custom("cfp2", "risk", number);
  std::snprintf(number, sizeof number, "%.4f", alert.tree_risk);
  custom("cfp3", "treeRisk", number);
  return out;
}

}  // namespace shrike
