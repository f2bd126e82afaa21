#include "agent/detonate/behaviour_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "agent/detonate/file_places.h"
#include "agent/detonate/finding.h"

namespace shrike::detonate {
namespace {

constexpr size_t many_files = 20;
constexpr size_t some_sought = 2, many_sought = 5;

bool keep(std::set<std::string, std::less<>>& paths, std::string_view path, size_t most) {
  return paths.size() < most && paths.emplace(path).second;
}

bool for_writing(const Event& event) { return (event.arg[0] & (O_WRONLY | O_RDWR)) != 0; }

bool was_refused(const Event& event) {
  return event.result == -EACCES || event.result == -EPERM || event.result == -EROFS || event.result == -ETXTBSY;
}

}  // namespace

void FileBehaviour::evaluate(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  const std::string program(program_of(event));
  switch (event.kind) {
    case EventKind::open:
      return on_open(event, processes, alerts);
    case EventKind::link:
    case EventKind::symlink:
      return on_place(event, event.full_path2, alerts);
    case EventKind::rename:
      on_place(event, event.full_path2, alerts);
      on_system_place(event, event.full_path2, alerts);
      [[fallthrough]];
    case EventKind::unlink:
    case EventKind::truncate:
      on_system_place(event, event.full_path, alerts);
      return on_change(event, processes, alerts);
    case EventKind::chmod:
      if (event.result >= 0 && (event.arg[0] & (S_ISUID | S_ISGID)) != 0 && is_shared_folder(event.full_path))
        tell(alerts, shared_setuid, event,
             program + " gave " + std::string(event.full_path) + " its owner's rights for whoever runs it");
      return;
    default:
      return;
  }
}

void FileBehaviour::on_open(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  const std::string path(event.full_path), program(program_of(event));
  on_probe(event, alerts);
  on_credential(event, alerts);
  if (is_others_memory(path, event.task.pid) && for_writing(event))
    tell(alerts, for_processes, event, program + " opened " + path + " to write it");
  if (path.starts_with("/proc/1/root"))
    tell(alerts, for_host, event, program + " opened " + path + ", where an escape begins");
  if (for_writing(event)) {
    on_system_place(event, path, alerts);
    on_place(event, path, alerts);
    return on_change(event, processes, alerts);
  }
  if (event.result >= 0 && (event.arg[0] & O_DIRECTORY) == 0 && is_users_document(path) &&
      !processes.has_written(path) && !made_.contains(path))
    keep(read_, path, known_most);
}

void FileBehaviour::on_probe(const Event& event, std::vector<Alert>& alerts) const {
  if (!tells_of_analysts(event.full_path)) return;
  const std::string path(event.full_path);
  tell(alerts, analyst, event, std::string(program_of(event)) + " looked at " + path + ", which tells on what it runs",
       {{"path", path}});
}

// Of those that are there the rules speak.
void FileBehaviour::on_credential(const Event& event, std::vector<Alert>& alerts) {
  const std::string_view path = event.full_path;
  const std::string program(program_of(event));
  if (event.result >= 0 || !is_credential(path) || reads_credentials(program)) return;
  if (!keep(sought_, path, known_most) || sought_.size() < some_sought) return;
  const std::string count = std::to_string(sought_.size());
  tell(alerts, sought_.size() >= many_sought ? credential_hunt : credentials, event,
       program + " looked for " + count + " files with credentials, the last " + std::string(path), {{"files", count}});
}

void FileBehaviour::on_system_place(const Event& event, std::string_view path, std::vector<Alert>& alerts) const {
  // Also in vain: they are shown read-only, which the program did not know.
  if (!is_system_program(path) || !(was_refused(event) || event.result >= 0)) return;
  tell(alerts, system_change, event, std::string(program_of(event)) + " wanted to change " + std::string(path),
       {{"path", std::string(path)}});
}

void FileBehaviour::on_place(const Event& event, std::string_view path, std::vector<Alert>& alerts) const {
  if (event.result < 0 || !starts_programs(path)) return;
  tell(alerts, comes_back, event,
       std::string(program_of(event)) + " changed " + std::string(path) + ", from where programs are started",
       {{"path", std::string(path)}});
}

// Ransomware and wipers: many files that were there before are opened to be overwritten, renamed or removed. Not those
// that are only moved to another folder, or packed by a compressor.
void FileBehaviour::on_change(const Event& event, const JobProcesses& processes, std::vector<Alert>& alerts) {
  const std::string_view path = event.full_path;
  if (event.result < 0 || path.empty() || path.starts_with("/dev/") || path.starts_with("/proc/")) return;
  if (event.kind == EventKind::open) {
    // Of what an open makes nothing was lost, as far as it is known.
    if ((event.arg[0] & O_CREAT) != 0) return (void)keep(made_, path, known_most);
    if (!made_.contains(path)) on_loss(event, alerts, true);
  } else if (event.kind == EventKind::truncate) {
    if (!processes.has_written(path)) on_loss(event, alerts, true);
  } else if (event.kind == EventKind::rename) {
    // By now the books have it under its new name. What was written over may be the job's own: not what was given to
    // it.
    const bool own = processes.has_written(event.full_path2) && !given_.contains(path);
    if (!own && !same_kind(path, event.full_path2)) on_loss(event, alerts, true);
  } else if (event.kind == EventKind::unlink && !processes.has_written(path)) {
    const std::string_view instead = processes.written_beside(path);
    if (instead.empty() || !same_kind(path, instead)) on_loss(event, alerts, !instead.empty());
  }
}

void FileBehaviour::on_loss(const Event& event, std::vector<Alert>& alerts, bool rewritten) {
  Paths& paths = rewritten ? rewritten_ : deleted_;
  if (!keep(paths, event.full_path, known_most) || paths.size() < many_files) return;
  const std::string count = std::to_string(paths.size());
  tell(alerts, rewritten ? mass_change : mass_deletion, event,
       std::string(program_of(event)) + (rewritten ? " changed " : " deleted ") + count +
           " files that it had not made, the last " + std::string(event.full_path),
       {{"files", count}});
}

}  // namespace shrike::detonate
