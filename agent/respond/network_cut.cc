#include "agent/respond/network_cut.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string_view>

#include "common/base/file.h"

namespace shrike::respond {
namespace {

constexpr size_t file_max_bytes = 1u << 20;
constexpr size_t processes_max = 4096;
constexpr int depth_max = 16;

/// Calls `on_line` for each line.
template <class OnLine>
void lines(std::string_view text, OnLine on_line) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    on_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Where the version 2 tree is mounted whole: /sys/fs/cgroup, or /sys/fs/cgroup/unified where version 1 is there too.
Result<std::string> mount_point() {
  std::string found;
  lines(TRY(read_file("/proc/self/mountinfo", file_max_bytes)), [&](std::string_view line) {
    // id parent major:minor root mount-point options... - type source options
    const size_t dash = line.find(" - cgroup2 ");
    if (dash == std::string_view::npos || !found.empty()) return;
    size_t at = 0;
    std::string_view word;
    for (int field = 0; field < 5; ++field) {
      const size_t end = std::min(line.find(' ', at), line.size());
      word = line.substr(at, end - at);
      if (field == 3 && word != "/") return;
      at = std::min(end + 1, line.size());
    }
    found = word;
  });
  if (found.empty()) return Error{"there is no cgroup version 2 tree"};
  return found;
}

Result<void> collect(const std::string& folder, int depth, std::vector<uint32_t>& pids) {
  if (depth > depth_max) return Error{folder + ": too deep"};
  const std::string text = TRY(read_file(folder + "/cgroup.procs", file_max_bytes));
  bool good = true;
  lines(text, [&](std::string_view line) {
    uint32_t pid = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), pid);
    good = good && error == std::errc() && end == line.data() + line.size() && pids.size() < processes_max;
    if (good) pids.push_back(pid);
  });
  if (!good) return Error{folder + ": more processes than can be looked at, or some of another namespace"};
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.is_directory(error) || entry.is_symlink(error)) continue;
    TRY_VOID(collect(entry.path().string(), depth + 1, pids));
  }
  if (error) return Error{folder + ": " + error.message()};
  return {};
}

int bpf(bpf_cmd command, bpf_attr& attr) { return static_cast<int>(::syscall(SYS_bpf, command, &attr, sizeof attr)); }

/// Returns 0 for every packet, which is to drop it.
Result<Fd> load_drop_all(bpf_attach_type type) {
  const bpf_insn program[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  static constexpr char license[] = "GPL";
  bpf_attr attr{};
  attr.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
  attr.expected_attach_type = type;
  attr.insns = reinterpret_cast<uint64_t>(program);
  attr.insn_cnt = std::size(program);
  attr.license = reinterpret_cast<uint64_t>(license);
  Fd fd(bpf(BPF_PROG_LOAD, attr));
  if (!fd.valid()) return errno_error("the program that drops packets");
  return fd;
}

Result<Fd> attach(int cgroup, bpf_attach_type type) {
  const Fd program = TRY(load_drop_all(type));
  bpf_attr attr{};
  attr.link_create.prog_fd = static_cast<uint32_t>(program.get());
  attr.link_create.target_fd = static_cast<uint32_t>(cgroup);
  attr.link_create.attach_type = type;
  Fd link(bpf(BPF_LINK_CREATE, attr));
  if (!link.valid()) return errno_error("attaching it to the cgroup");
  return link;
}

}  // namespace

Result<Cgroup> cgroup_of(uint32_t pid) {
  const std::string text = TRY(read_file("/proc/" + std::to_string(pid) + "/cgroup", file_max_bytes));
  std::string path;
  lines(text, [&](std::string_view line) {
    if (line.starts_with("0::")) path = line.substr(3);
  });
  if (path.empty()) return Error{"it is in no cgroup of version 2"};
  if (path == "/") return Error{"it is in the root cgroup: that would cut off the whole host"};
  if (path.find("/..") != std::string::npos) return Error{"its cgroup is outside of what the agent sees"};
  return Cgroup{path, TRY(mount_point()) + path};
}

Result<std::vector<uint32_t>> processes_of(const Cgroup& cgroup) {
  std::vector<uint32_t> pids;
  TRY_VOID(collect(cgroup.folder, 0, pids));
  return pids;
}

Result<NetworkCut> NetworkCut::make(const Cgroup& cgroup) {
  const Fd folder(::open(cgroup.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return errno_error(cgroup.folder);
  Fd ingress = TRY(attach(folder.get(), BPF_CGROUP_INET_INGRESS));
  Fd egress = TRY(attach(folder.get(), BPF_CGROUP_INET_EGRESS));
  return NetworkCut(std::move(ingress), std::move(egress));
}

}  // namespace shrike::respond
