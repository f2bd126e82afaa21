#include "scoring/sigma/audit.h"

#include <algorithm>
#include <array>

namespace shrike::scoring::sigma {
namespace {

constexpr auto records = std::to_array<std::string_view>({"EXECVE", "SYSCALL", "PATH"});
constexpr std::string_view no_key = "a key is given by auditd's own rules, which Shrike does not have";
constexpr std::string_view no_raw = "the raw arguments of a call are not kept";

LogField record_type(std::string_view name) { return {"type", How::choice, {}, {{name, "yes"}}, "the record's", {}}; }
LogField field(std::string_view name, How how, std::string ours, std::string_view about = {}, std::string also = {}) {
  return {name, how, std::move(ours), {}, about, std::move(also)};
}
LogField lacking(std::string_view name, std::string_view why) {
  return {name, How::missing, std::string(why), {}, {}, {}};
}

View execve() {
  View view;
  view.events = "evt.kind = exec";
  view.keywords = "proc.exeline";
  view.others_absent = true;
  view.fields = {record_type("EXECVE"), field("a#", How::text, "proc.arg", "exactly argv[n]"),
                 lacking("argc", "no field of ours counts argv[0] too")};
  return view;
}

// Without a call's name a SYSCALL record only says that a program did something audited, which begins with its exec.
View syscall() {
  View view;
  view.events = "evt.kind = exec";
  view.others_absent = true;
  view.fields = {
      record_type("SYSCALL"),
      field("SYSCALL", How::call, "evt.type", "then of all events of these calls, else of exec only"),
      field("syscall", How::call, "evt.type"),
      field("exe", How::text, "proc.exepath"),
      field("comm", How::text, "proc.name"),
      {"success", How::choice, {}, {{"yes", "evt.failed = false"}, {"no", "evt.failed = true"}}, {}},
      field("exit", How::number, "evt.rawres"),
      field("pid", How::number, "proc.pid"),
      field("ppid", How::number, "proc.ppid"),
      field("uid", How::user_id, "thread.uid"),
      field("euid", How::user_id, "thread.euid"),
      field("suid", How::user_id, "thread.suid"),
      field("gid", How::user_id, "thread.gid"),
      field("egid", How::user_id, "thread.egid"),
      field("auid", How::user_id, "user.loginuid"),
      field("a#", How::hexadecimal, std::string(no_raw)),
      lacking("key", no_key),
      lacking("fsuid", "not in our events"),
      lacking("fsgid", "not in our events"),
      lacking("sgid", "not in our events"),
      lacking("tty", "terminals have numbers in our events"),
      lacking("ses", "audit's session is not in our events"),
      lacking("subj", "not in our events"),
      lacking("arch", "not in our events"),
      lacking("items", "counts audit's own records"),
      lacking("per", "not in our events"),
  };
  return view;
}

View path(std::string events, std::string name, std::string also, std::string_view about,
          std::vector<Choice> nametypes) {
  View view;
  view.events = std::move(events);
  view.others_absent = true;
  view.fields = {
      record_type("PATH"),
      field("name", How::path, std::move(name), about, std::move(also)),
      {"nametype", How::choice, {}, std::move(nametypes), {}},
      lacking("inode", "which file has it is not known to rules"),
      lacking("dev", "see inode"),
      lacking("mode", "not asked of audit's records"),
      lacking("ouid", "not asked of audit's records"),
      lacking("ogid", "not asked of audit's records"),
      lacking("rdev", "not asked of audit's records"),
      lacking("item", "counts audit's own records"),
  };
  return view;
}

struct Access {
  bool read = false, write = false, execute = false, attributes = false;
};

// The accesses after each "-p" of audit rules in a text.
Access watched(std::string_view definition) {
  Access access;
  for (size_t at = definition.find(" -p "); at != std::string_view::npos; at = definition.find(" -p ", at + 1)) {
    for (size_t i = at + 4; i < definition.size() && definition[i] >= 'a' && definition[i] <= 'z'; ++i) {
      access.read = access.read || definition[i] == 'r';
      access.write = access.write || definition[i] == 'w';
      access.execute = access.execute || definition[i] == 'x';
      access.attributes = access.attributes || definition[i] == 'a';
    }
  }
  return access;
}

std::string either(const std::vector<std::string>& conditions) {
  std::string out;
  for (const std::string& one : conditions) out += (out.empty() ? "(" : " or ") + one;
  return out.empty() ? out : out + ")";
}

}  // namespace

bool is_record_read(std::string_view type) { return std::find(records.begin(), records.end(), type) != records.end(); }

Log auditd(const Rule& rule) {
  Access access = watched(rule.definition);
  const bool told = access.read || access.write || access.execute || access.attributes;
  const bool discovery = std::find(rule.tags.begin(), rule.tags.end(), "attack.discovery") != rule.tags.end();
  if (!told) access = {discovery, true, true, true};

  Log log;
  log.output = "%proc.exeline (program %proc.exepath, parent %proc.pname, user %user.name, path %fs.path.changed)";
  log.remark = std::string("PATH is asked of ") + (access.read ? "reading, " : "") +
               (access.write ? "changing, " : "") + (access.attributes ? "changing attributes, " : "") +
               (access.execute ? "executing, " : "");
  log.remark.resize(log.remark.size() - 2);
  log.remark += told ? ", as its definition says" : "";
  log.views.push_back(execve());
  log.views.push_back(syscall());

  std::vector<std::string> opens, kinds;
  if (access.read) opens.emplace_back("evt.is_open_read = true");
  if (access.write) opens.insert(opens.end(), {"evt.is_open_write = true", "evt.is_open_create = true"});
  if (access.write) kinds.emplace_back("unlink, rmdir, mkdir, truncate");
  if (access.attributes) kinds.emplace_back("chmod, chown, setxattr");
  std::vector<std::string> all;
  if (!opens.empty()) all.push_back("evt.kind = open and " + either(opens));
  for (const std::string& some : kinds) all.push_back("evt.kind in (" + some + ")");
  const std::string done = " and evt.failed = false";
  if (!all.empty()) {
    const std::string events = either(all) + done;
    const std::string made = "evt.kind = mkdir or evt.is_open_create = true", gone = "evt.kind in (unlink, rmdir)";
    const std::vector<Choice> types{
        {"CREATE", made}, {"DELETE", gone}, {"NORMAL", "not (" + made + " or " + gone + ")"}};
    log.views.push_back(
        path(events, "fd.realpath", "fs.path.name", "as the kernel resolved it, or as given, made absolute", types));
  }
  if (access.write) {
    log.views.push_back(path("evt.kind in (rename, link, symlink)" + done, "fs.path.new", {}, "the name that is made",
                             {{"CREATE", "yes"}, {"NORMAL", "no"}, {"DELETE", "no"}}));
    log.views.push_back(path("evt.kind = rename" + done, "fs.path.source", {}, "the name that goes",
                             {{"DELETE", "yes"}, {"NORMAL", "no"}, {"CREATE", "no"}}));
  }
  if (access.execute)
    log.views.push_back(path("evt.kind = exec", "proc.exepath", "evt.arg.filename", "the program that is run",
                             {{"NORMAL", "yes"}, {"CREATE", "no"}, {"DELETE", "no"}}));
  return log;
}

}  // namespace shrike::scoring::sigma
