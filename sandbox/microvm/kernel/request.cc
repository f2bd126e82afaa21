#include "sandbox/microvm/kernel/request.h"

#include <fcntl.h>

namespace shrike::sandbox::microvm {

Request::Request(System& the_system, Thread& the_thread)
    : system(the_system),
      thread(the_thread),
      process(*the_thread.process),
      args(the_thread.call->args),
      memory(*the_thread.process->space) {
  // Shared by CLONE_FS, so that it is whoever calls now.
  process.folders->place.owner = {process.credentials.fsuid, process.credentials.fsgid};
}

void Request::tell(TextKind kind, std::string text) {
  if (thread.call->texts.size() >= call_texts_max) return;
  if (text.size() > call_text_max) {
    text.resize(call_text_max);
    thread.call->flags |= call_cut;
  }
  thread.call->texts.push_back({kind, std::move(text)});
}

int64_t Request::path(size_t argument, std::string& out, TextKind kind) {
  const int64_t error = memory.path(args[argument], out);
  if (error == -EFAULT) {
    thread.call->flags |= call_memory;
  } else {
    tell(kind, out);
    if (error == -ENAMETOOLONG) thread.call->flags |= call_cut;
  }
  return error;
}

int64_t Request::base(size_t argument, std::shared_ptr<Node>& out) const {
  out = nullptr;
  if (number(argument) == AT_FDCWD) return 0;
  const FilePtr folder = file(argument);
  if (!folder) return -EBADF;
  out = folder->node();
  return out ? 0 : -ENOTDIR;
}

void Request::tell_found(const Found& found, bool second) {
  std::string text;
  if (found.node) {
    text = system.files.path_of(*found.node);
  } else if (found.folder) {
    text = system.files.path_of(*found.folder);
    if (text != "/") text += '/';
    text += found.name;
  }
  tell(second ? TextKind::full_path2 : TextKind::full_path, std::move(text));
}

int64_t Request::path_from(size_t folder, size_t argument, std::string& text, std::shared_ptr<Node>& from,
                           bool second) {
  if (const int64_t error = path(argument, text, second ? TextKind::path2 : TextKind::path); error < 0) return error;
  if (text.empty()) return -ENOENT;
  return folder != no_folder && text.front() != '/' ? base(folder, from) : 0;
}

int64_t Request::find(size_t folder, size_t argument, bool follow, Found& out, bool second) {
  std::string text;
  std::shared_ptr<Node> from;
  if (const int64_t error = path_from(folder, argument, text, from, second); error < 0) return error;
  if (const int64_t error = system.files.resolve(place(), from, text, follow, out); error < 0) return error;
  tell_found(out, second);
  return 0;
}

int64_t Request::find_name(size_t folder, size_t argument, Found& out, bool second) {
  std::string text;
  std::shared_ptr<Node> from;
  if (const int64_t error = path_from(folder, argument, text, from, second); error < 0) return error;
  if (const int64_t error = system.files.resolve_name(place(), from, text, out); error < 0) return error;
  tell_found(out, second);
  return 0;
}

int64_t Request::find_there(size_t folder, size_t argument, bool follow, Found& out) {
  const int64_t error = find(folder, argument, follow, out);
  return error < 0 ? error : out.node ? 0 : -ENOENT;
}

int64_t Request::wait(Wait what) {
  if (what.again) {
    if (const auto result = what.again()) return *result;
  }
  if (what.deadline && system.clock.now() >= *what.deadline) {
    system.futexes.remove(thread);
    return what.at_deadline;
  }
  thread.wait = std::move(what);
  return waiting;
}

int64_t Request::refuse(const std::string& call, int64_t error) {
  thread.call->flags |= call_denied;
  system.note_denied();
  system.note_refusal(call, "never allowed");
  if (system.options.profile == Profile::strict) {
    system.finish(Status::violation, call + ": never allowed", SIGSYS);
    return no_return;
  }
  return error;
}

int64_t Request::unsupported(const std::string& what, int64_t error) {
  thread.call->flags |= call_unknown;
  system.note_unknown();
  system.note_refusal(what, "not supported");
  return error;
}

int64_t Request::install(FilePtr file, bool close_on_exec) {
  if (!file) return -ENFILE;
  return process.files->add(std::move(file), close_on_exec, descriptor_limit());
}

}  // namespace shrike::sandbox::microvm
