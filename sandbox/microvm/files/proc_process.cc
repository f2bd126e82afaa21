#include "sandbox/microvm/files/proc_process.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "sandbox/microvm/files/proc_text.h"

namespace shrike::sandbox::microvm::proc {

namespace {

/// One process or thread, looked up again whenever something is asked.
struct Subject {
  Source source;
  uint32_t pid = 0, tid = 0;
  bool thread = false;

  [[nodiscard]] const GuestView& view() const { return *source.view; }
  [[nodiscard]] std::optional<ProcessFacts> facts() const { return view().facts(pid); }
  [[nodiscard]] const StorePtr& store() const { return source.files->store(); }
};

NodePtr text(const Subject& subject, TextNode::Text make, uint32_t mode = 0444, TextNode::Take take = nullptr) {
  return std::make_shared<TextNode>(subject.store(), mode, Volume::processes, std::move(make), std::move(take));
}

/// A text that is made of the process's facts; empty when it is gone.
template <class Make>
NodePtr of_facts(const Subject& subject, Make make) {
  return text(subject, [subject, make] {
    const auto facts = subject.facts();
    return facts ? make(subject, *facts) : std::string();
  });
}

/// Takes what is written and forgets it.
int64_t forget(std::string_view bytes) { return static_cast<int64_t>(bytes.size()); }

/// A link to a node, which is followed without its text.
NodePtr reference(const Subject& subject, ReferenceNode::End end) {
  FileSystem* files = subject.source.files;
  const auto path = [files, end](std::string& out) -> int64_t {
    const NodePtr node = end();
    if (!node) return -ENOENT;
    out = files->path_of(*node);
    return 0;
  };
  return std::make_shared<ReferenceNode>(subject.store(), Volume::processes, path, end);
}

NodePtr place_of(const Subject& subject, NodePtr Place::*which) {
  const auto place = subject.view().place(subject.pid);
  return place ? (*place).*which : nullptr;
}

NodePtr descriptor_folder(const Subject& subject, bool info) {
  auto folder = std::make_shared<GeneratedFolder>(subject.store(), Volume::processes, 0500);
  const auto file_of = [subject](std::string_view name) -> FilePtr {
    const uint32_t number = name == "0" ? 0 : number_in(name);
    if ((number == 0 && name != "0") || number > INT32_MAX) return nullptr;
    return subject.view().descriptor(subject.pid, static_cast<int>(number));
  };
  const auto make = [subject, file_of, info](std::string_view name) -> NodePtr {
    if (!file_of(name)) return nullptr;
    const std::string kept(name);
    if (info)
      return text(subject, [file_of, kept] {
        const FilePtr file = file_of(kept);
        return file ? file_info(*file) : std::string();
      });
    return reference(subject, [file_of, kept]() -> NodePtr {
      const FilePtr file = file_of(kept);
      return file ? file->node() : nullptr;
    });
  };
  const auto list = [subject, info] {
    std::vector<GeneratedFolder::Listed> out;
    for (const int fd : subject.view().descriptors(subject.pid))
      out.push_back({std::to_string(fd), static_cast<uint32_t>(info ? S_IFREG : S_IFLNK)});
    return out;
  };
  folder->set_changing(make, list, subject.tid * 16u + (info ? 1 : 2));
  return folder;
}

NodePtr task_folder(const Subject& subject) {
  auto folder = std::make_shared<GeneratedFolder>(subject.store(), Volume::processes);
  const auto make = [subject](std::string_view name) -> NodePtr {
    const uint32_t tid = number_in(name);
    const auto facts = subject.facts();
    if (!facts || std::find(facts->threads.begin(), facts->threads.end(), tid) == facts->threads.end()) return nullptr;
    return process_folder(subject.source, subject.pid, tid, true);
  };
  const auto list = [subject] {
    std::vector<GeneratedFolder::Listed> out;
    if (const auto facts = subject.facts())
      for (const uint32_t tid : facts->threads) out.push_back({std::to_string(tid), S_IFDIR});
    return out;
  };
  folder->set_changing(make, list, subject.pid * 16u + 3);
  return folder;
}

NodePtr namespaces_folder(const Subject& subject) {
  auto folder = std::make_shared<GeneratedFolder>(subject.store(), Volume::processes, 0511);
  uint32_t number = 4026531834;
  for (const char* name : {"time", "cgroup", "pid", "user", "uts", "ipc", "mnt", "net"}) {
    const std::string target = std::string(name) + ":[" + std::to_string(number++) + "]";
    folder->add(name, std::make_shared<ReferenceNode>(subject.store(), Volume::processes, [target](std::string& out) {
                  out = target;
                  return int64_t{0};
                }));
  }
  return folder;
}

struct Part {
  std::string_view name;
  uint32_t type;
  NodePtr (*make)(const Subject&);
};

const Part parts[] = {
    {"auxv", S_IFREG,
     [](const Subject& s) {
       return text(
           s, [s] { return s.view().auxv(s.pid); }, 0400);
     }},
    {"cgroup", S_IFREG, [](const Subject& s) { return text(s, [] { return std::string("0::/user.slice\n"); }); }},
    {"cmdline", S_IFREG, [](const Subject& s) { return text(s, [s] { return s.view().argv(s.pid); }); }},
    {"comm", S_IFREG,
     [](const Subject& s) {
       return text(
           s,
           [s] {
             const auto facts = s.facts();
             return facts ? facts->comm + "\n" : std::string();
           },
           0644, forget);
     }},
    {"cwd", S_IFLNK, [](const Subject& s) { return reference(s, [s] { return place_of(s, &Place::cwd); }); }},
    {"environ", S_IFREG,
     [](const Subject& s) {
       return text(
           s, [s] { return s.view().environ(s.pid); }, 0400);
     }},
    {"exe", S_IFLNK, [](const Subject& s) { return reference(s, [s] { return s.view().exe(s.pid); }); }},
    {"fd", S_IFDIR, [](const Subject& s) { return descriptor_folder(s, false); }},
    {"fdinfo", S_IFDIR, [](const Subject& s) { return descriptor_folder(s, true); }},
    {"limits", S_IFREG, [](const Subject& s) { return text(s, limits); }},
    {"loginuid", S_IFREG,
     [](const Subject& s) {
       return text(
           s, [] { return std::string("0"); }, 0644, forget);
     }},
    {"maps", S_IFREG, [](const Subject& s) { return text(s, [s] { return s.view().maps(s.pid); }); }},
    {"mountinfo", S_IFREG, [](const Subject& s) { return text(s, mount_info); }},
    {"mounts", S_IFREG, [](const Subject& s) { return text(s, mounts); }},
    {"net", S_IFDIR, [](const Subject& s) { return network_folder(s.source); }},
    {"ns", S_IFDIR, namespaces_folder},
    {"oom_score", S_IFREG, [](const Subject& s) { return text(s, [] { return std::string("666\n"); }); }},
    {"oom_score_adj", S_IFREG,
     [](const Subject& s) {
       return text(
           s, [] { return std::string("0\n"); }, 0644, forget);
     }},
    {"root", S_IFLNK, [](const Subject& s) { return reference(s, [s] { return place_of(s, &Place::root); }); }},
    {"stat", S_IFREG,
     [](const Subject& s) {
       return of_facts(s, [](const Subject& of, const ProcessFacts& facts) { return stat(of.view(), facts, of.tid); });
     }},
    {"statm", S_IFREG,
     [](const Subject& s) {
       return of_facts(s, [](const Subject&, const ProcessFacts& facts) { return statm(facts); });
     }},
    {"status", S_IFREG,
     [](const Subject& s) {
       return of_facts(s,
                       [](const Subject& of, const ProcessFacts& facts) { return status(of.view(), facts, of.tid); });
     }},
    {"task", S_IFDIR, task_folder},
    {"wchan", S_IFREG, [](const Subject& s) { return text(s, [] { return std::string("0"); }); }},
};

}  // namespace

uint32_t number_in(std::string_view name) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), value);
  if (error != std::errc() || end != name.data() + name.size() || name.starts_with('0')) return 0;
  return value;
}

NodePtr process_folder(const Source& source, uint32_t pid, uint32_t tid, bool thread) {
  const Subject subject{source, pid, tid, thread};
  if (!subject.facts()) return nullptr;
  auto folder = std::make_shared<GeneratedFolder>(subject.store(), Volume::processes);
  const auto make = [subject](std::string_view name) -> NodePtr {
    for (const Part& part : parts)
      if (part.name == name && !(subject.thread && name == "task")) return part.make(subject);
    return nullptr;
  };
  const auto list = [subject] {
    std::vector<GeneratedFolder::Listed> out;
    for (const Part& part : parts)
      if (!(subject.thread && part.name == "task")) out.push_back({std::string(part.name), part.type});
    return out;
  };
  folder->set_changing(make, list, tid * 16u + (thread ? 4 : 5));
  return folder;
}

}  // namespace shrike::sandbox::microvm::proc
