#include "scoring/sigma/view.h"

#include <algorithm>
#include <set>

#include "scoring/sigma/audit.h"

namespace shrike::scoring::sigma {
namespace {

constexpr std::string_view no_hash = "Shrike does not hash executables";
constexpr std::string_view windows_only = "only Windows programs carry it";
constexpr std::string_view no_name = "Shrike sees addresses, not the names they were looked up by";

LogField field(std::string_view name, How how, std::string ours, std::string_view about = {}, std::string also = {}) {
  return {name, how, std::move(ours), {}, about, std::move(also)};
}
LogField lacking(std::string_view name, std::string_view why) {
  return {name, How::missing, std::string(why), {}, {}, {}};
}

// Who did it: the same in every category.
std::vector<LogField> actor() {
  return {
      field("Image", How::text, "proc.exepath", "the executable object's path, from the kernel, links followed"),
      field("User", How::text, "user.name", "the effective user's name"),
      field("LogonId", How::number, "thread.uid", "real user id, as Sysmon for Linux has it"),
      field("ProcessId", How::number, "proc.pid"),
  };
}

std::vector<LogField> joined(std::vector<LogField> some, std::vector<LogField> more) {
  some.insert(some.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  return some;
}

Log process_creation() {
  Log log;
  log.output = "%proc.exeline (program %proc.exepath, parent %proc.pname, user %user.name)";
  View view;
  view.events = "evt.kind = exec";
  view.fields =
      joined(actor(),
             {
                 field("CommandLine", How::text, "proc.exeline", "all arguments from argv[0] on, with spaces between"),
                 field("CurrentDirectory", How::folder, "proc.cwd", "without the slash at its end"),
                 field("ParentImage", How::text, "proc.pexepath"),
                 field("ParentCommandLine", How::text, "proc.pexeline", "as CommandLine, of the parent"),
                 field("ParentProcessId", How::number, "proc.ppid"),
                 field("GrandParentImage", How::text, "proc.aexepath[2]"),
                 lacking("ParentUser", "the parent's user is known by number only"),
                 lacking("Hashes", no_hash),
                 lacking("md5", no_hash),
                 lacking("sha1", no_hash),
                 lacking("sha256", no_hash),
                 lacking("Imphash", no_hash),
                 lacking("OriginalFileName", windows_only),
                 lacking("IntegrityLevel", windows_only),
                 lacking("Product", windows_only),
                 lacking("Company", windows_only),
                 lacking("Description", windows_only),
                 lacking("FileVersion", windows_only),
             });
  // A link's name counts too: nc for nc.openbsd, insmod for kmod; and a script's, for its interpreter.
  view.fields.front().also = "evt.arg.filename";
  view.fields.front().about = "the executable's path, from the kernel; or the path it was executed by, made absolute";
  log.views.push_back(std::move(view));
  return log;
}

Log file_event() {
  Log log;
  log.output = "%fs.path.changed by %proc.exeline (program %proc.exepath, user %user.name)";
  const auto view = [&](std::string events, std::string path, std::string_view about, std::string also) {
    log.views.push_back({std::move(events),
                         joined(actor(), {field("TargetFilename", How::text, std::move(path), about, std::move(also)),
                                          lacking("CreationUtcTime", "no event of ours has it")}),
                         {},
                         false});
  };
  view("evt.kind = open and evt.failed = false and (evt.is_open_write = true or evt.is_open_create = true)",
       "fd.realpath", "of a file opened for writing or made: the path the kernel used; or as given, made absolute",
       "fs.path.name");
  view("evt.kind in (rename, link, symlink) and evt.failed = false", "fs.path.new",
       "the name that a rename or link makes", {});
  return log;
}

Log network_connection() {
  Log log;
  log.output = "%fd.name by %proc.exeline (program %proc.exepath, user %user.name)";
  View& view = log.views.emplace_back();
  view.events =
      "(evt.kind = connect or evt.kind = accept) and fd.sockfamily = ip and (evt.failed = false or evt.res = "
      "EINPROGRESS)";
  view.fields =
      joined(actor(),
             {
                 {"Initiated",
                  How::choice,
                  {},
                  {{"true", "evt.kind = connect"}, {"false", "evt.kind = accept"}},
                  "connect: true; accept: false"},
                 field("DestinationIp", How::address, "fd.sip"),
                 field("DestinationPort", How::number, "fd.sport"),
                 field("SourceIp", How::address, "fd.cip"),
                 field("SourcePort", How::number, "fd.cport"),
                 field("Protocol", How::text, "fd.l4proto"),
                 {"DestinationIsIpv6", How::choice, {}, {{"true", "fd.type = ipv6"}, {"false", "fd.type = ipv4"}}, {}},
                 {"SourceIsIpv6", How::choice, {}, {{"true", "fd.type = ipv6"}, {"false", "fd.type = ipv4"}}, {}},
                 lacking("DestinationHostname", no_name),
                 lacking("SourceHostname", no_name),
             });
  return log;
}

}  // namespace

Log log_of(const Rule& rule) {
  Log log;
  if (!rule.product.empty() && rule.product != "linux") {
    log.missing = "is about product \"" + rule.product + "\", Shrike watches linux";
    return log;
  }
  if (rule.category == "process_creation") return process_creation();
  if (rule.category == "file_event") return file_event();
  if (rule.category == "network_connection") return network_connection();
  if (rule.service == "auditd") return auditd(rule);
  if (!rule.category.empty()) {
    log.missing = "category \"" + rule.category +
                  "\" is not mapped to events: process_creation, file_event and network_connection are";
  } else if (!rule.service.empty()) {
    log.missing = "needs the log of " + rule.service + ", which Shrike does not read";
  } else {
    log.missing = "needs the text of system logs, which Shrike does not read";
  }
  return log;
}

std::string field_table() {
  std::string out;
  const auto add = [&](std::string_view title, const Log& log) {
    ((out += "\n## ") += title) += "\n\n| field | ours | remark |\n|---|---|---|\n";
    std::set<std::string> lines;
    for (const View& view : log.views) {
      for (const LogField& field : view.fields) {
        std::string line = "| `" + std::string(field.name) + "` | ";
        const bool call = field.how == How::call;
        if (field.how == How::missing || field.how == How::hexadecimal) {
          line += "none | " + field.ours + " |\n";
        } else if (field.how == How::choice) {
          for (const Choice& choice : field.choices)
            line += std::string(&choice == &field.choices.front() ? "" : "; ") + std::string(choice.value) + ": `" +
                    choice.condition + "`";
          line += " | " + std::string(field.about) + " |\n";
        } else {
          line += "`" + field.ours + (call ? "` (a name)" : "`") +
                  (field.also.empty() ? "" : ", `" + field.also + "`") + " | " + std::string(field.about) + " |\n";
        }
        if (lines.insert(line).second) out += line;
      }
    }
  };
  add("process_creation", process_creation());
  add("file_event", file_event());
  add("network_connection", network_connection());
  Rule rule;
  rule.tags = {"attack.discovery"};
  Log all = auditd(rule);
  for (View& view : all.views) {
    const std::string record =
        view.fields.front().choices.front().value.empty() ? "" : std::string(view.fields.front().choices.front().value);
    Log one;
    one.views.push_back(view);
    add("auditd, " + record + ": events with `" + view.events + "`", one);
  }
  return out;
}

}  // namespace shrike::scoring::sigma
