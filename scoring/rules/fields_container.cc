// Containers and Kubernetes pods: which one it is stands in the cgroup's path, everything else in the runtime's answer.

#include <algorithm>
#include <array>

#include "common/wire/container_info.h"
#include "scoring/rules/field.h"
#include "scoring/rules/match.h"

namespace shrike::scoring {

std::string_view container_id(const Process* process) {
  if (process == nullptr || process->container == nullptr) return "host";
  return std::string_view(process->container->id).substr(0, 12);
}

namespace {

constexpr KindSet all = KindSet::all();

const Container* container(const Context& c) { return c.process == nullptr ? nullptr : c.process->container; }
const ContainerInfo* info(const Context& c) { return container(c) == nullptr ? nullptr : container(c)->info.get(); }

void full_id(const Context& c, int, Values& out) {
  out.text(container(c) == nullptr ? std::string_view("host") : container(c)->id);
}
void runtime(const Context& c, int, Values& out) {
  if (container(c) == nullptr) return out.text("host");
  out.known(container(c)->runtime);
}
void name(const Context& c, int, Values& out) {
  if (container(c) == nullptr) return out.text("host");
  if (info(c) != nullptr) out.known(info(c)->name);
}

template <std::string ContainerInfo::*member>
void told(const Context& c, int, Values& out) {
  if (info(c) != nullptr) out.known(info(c)->*member);
}
template <std::optional<bool> ContainerInfo::*member>
void told_truth(const Context& c, int, Values& out) {
  if (info(c) != nullptr && (info(c)->*member).has_value()) out.boolean(*(info(c)->*member));
}

// The runtime's word; without it, a process that holds what only privileged containers are given, in the host's own
// user namespace (whose number the kernel fixes), proves it. That one does not hold it proves nothing.
void privileged(const Context& c, int, Values& out) {
  if (container(c) == nullptr) return;
  if (info(c) != nullptr && info(c)->privileged) return out.boolean(*info(c)->privileged);
  constexpr uint32_t first_user_namespace = 0xEFFFFFFD;
  constexpr uint64_t net_admin = 1u << 12, sys_module = 1u << 16, sys_rawio = 1u << 17, sys_ptrace = 1u << 19,
                     sys_admin = 1u << 21, sys_boot = 1u << 22;
  constexpr uint64_t needed = net_admin | sys_module | sys_rawio | sys_ptrace | sys_admin | sys_boot;
  if (c.event.task.ns_user == first_user_namespace && (c.event.task.cap_effective & needed) == needed)
    out.boolean(true);
}

void start(const Context& c, int, Values& out) {
  if (info(c) != nullptr && info(c)->start_ns != 0) out.number(info(c)->start_ns);
}
void duration(const Context& c, int, Values& out) {
  if (info(c) != nullptr && info(c)->start_ns != 0)
    out.number(static_cast<int64_t>(c.event.time_ns) - static_cast<int64_t>(info(c)->start_ns));
}

std::string_view pieces(Arena& arena, std::initializer_list<std::string_view> texts) {
  size_t bytes = 0;
  for (const std::string_view text : texts) bytes += text.size();
  char* const room = arena.take(bytes);
  char* at = room;
  for (const std::string_view text : texts) at = std::copy(text.begin(), text.end(), at);
  return {room, bytes};
}
std::string_view spelt(Arena& arena, const ContainerInfo::Mount& mount) {
  return pieces(arena, {mount.source, ":", mount.dest, ":", mount.mode, ":", mount.writable ? "true" : "false", ":",
                        mount.propagation});
}
void mounts(const Context& c, int, Values& out) {
  if (info(c) == nullptr || info(c)->mounts.empty()) return;
  std::string_view text;
  for (const auto& mount : info(c)->mounts)
    text = text.empty() ? spelt(c.arena, mount) : pieces(c.arena, {text, ",", spelt(c.arena, mount)});
  out.text(text);
}

// The argument is a mount's number, or a pattern: of the source, but of the destination where the source is asked for.
template <std::string_view (*get)(Arena&, const ContainerInfo::Mount&), bool by_dest = false>
void mount(const Context& c, std::string_view argument, Values& out) {
  if (info(c) == nullptr) return;
  const bool number = argument.find_first_not_of("0123456789") == std::string_view::npos;
  size_t at = 0;
  for (const auto& entry : info(c)->mounts) {
    if (number ? c.arena.decimal(static_cast<int64_t>(at++)) == argument
               : glob(argument, by_dest ? entry.dest : entry.source, false))
      return out.text(get(c.arena, entry));
  }
}
std::string_view source_of(Arena&, const ContainerInfo::Mount& mount) { return mount.source; }
std::string_view dest_of(Arena&, const ContainerInfo::Mount& mount) { return mount.dest; }
std::string_view mode_of(Arena&, const ContainerInfo::Mount& mount) { return mount.mode; }
std::string_view writable_of(Arena&, const ContainerInfo::Mount& mount) { return mount.writable ? "true" : "false"; }
std::string_view propagation_of(Arena&, const ContainerInfo::Mount& mount) { return mount.propagation; }

template <ContainerInfo::Labels ContainerInfo::*member>
void label(const Context& c, std::string_view key, Values& out) {
  if (info(c) == nullptr) return;
  for (const auto& [name, value] : info(c)->*member)
    if (name == key) return out.text(value);
}
template <ContainerInfo::Labels ContainerInfo::*member>
void labels(const Context& c, int, Values& out) {
  if (info(c) == nullptr || (info(c)->*member).empty()) return;
  std::string_view text;
  for (const auto& [name, value] : info(c)->*member)
    text = pieces(c.arena, {text, text.empty() ? "" : ", ", name, ":", value});
  out.text(text);
}

// The runtime's word, or the pod's folder in the cgroup: /kubepods/burstable/pod<uid>/<id>, with systemd
// kubepods-burstable-pod<uid>.slice and '_' for '-'.
void pod_uid(const Context& c, int, Values& out) {
  if (container(c) == nullptr) return;
  if (info(c) != nullptr && !info(c)->pod_uid.empty()) return out.text(info(c)->pod_uid);
  constexpr size_t uid_size = 36;
  const std::string_view cgroup = container(c)->cgroup;
  if (cgroup.find("kubepods") == std::string_view::npos) return;
  for (size_t pod = cgroup.find("pod"); pod != std::string_view::npos; pod = cgroup.find("pod", pod + 1)) {
    const std::string_view uid = cgroup.substr(pod + 3, uid_size);
    if (uid.size() < uid_size || uid.find_first_not_of("0123456789abcdef-_") != std::string_view::npos) continue;
    char* const text = c.arena.take(uid_size);
    std::replace_copy(uid.begin(), uid.end(), text, '_', '-');
    return out.text({text, uid_size});
  }
}
void sandbox(const Context& c, int, Values& out) {
  if (info(c) != nullptr) out.known(std::string_view(info(c)->pod_sandbox_id).substr(0, 12));
}

using I = ContainerInfo;
constexpr auto by_text = Field::Takes::text;
template <ExtractNamed extract>
constexpr Field named(std::string_view name, std::string_view about) {
  return {name, Type::text, all, nullptr, about, by_text, PathPart::none, false, 3, false, extract};
}

constexpr auto fields = std::to_array<Field>({
    {"container.id", Type::text, all, [](const Context& c, int, Values& out) { out.text(container_id(c.process)); },
     "12 characters; host on the host"},
    {"container.full_id", Type::text, all, full_id, "the whole id; host on the host"},
    {"container.type", Type::text, all, runtime, "docker, containerd, crio, podman, ...; host on the host"},
    {"container.name", Type::text, all, name, "host on the host; in a container the runtime's word"},
    {"container.image", Type::text, all, told<&I::image>, "the runtime's word: image as it was asked for"},
    {"container.image.id", Type::text, all, told<&I::image_id>, "the runtime's word"},
    {"container.image.repository", Type::text, all, told<&I::image_repository>, "the runtime's word: without the tag"},
    {"container.image.tag", Type::text, all, told<&I::image_tag>, "the runtime's word"},
    {"container.image.digest", Type::text, all, told<&I::image_digest>, "the runtime's word"},
    {"container.privileged", Type::boolean, all, privileged,
     "the runtime's word; without it true for a process that holds what only privileged containers get, else missing"},
    {"container.mounts",
     Type::text,
     all,
     mounts,
     "the runtime's word: source:dest:mode:writable:propagation, ...",
     {},
     {},
     false,
     5},
    named<mount<spelt>>("container.mount", "one of them, by number or by a pattern of its source"),
    named<mount<source_of, true>>("container.mount.source", "its source, by number or by a pattern of its destination"),
    named<mount<dest_of>>("container.mount.dest", "its destination"),
    named<mount<mode_of>>("container.mount.mode", "its mode"),
    named<mount<writable_of>>("container.mount.rdwr", "true or false: it can be written"),
    named<mount<propagation_of>>("container.mount.propagation", "its propagation"),
    {"container.ip", Type::text, all, told<&I::ip>, "the runtime's word"},
    {"container.start_ts", Type::number, all, start, "the runtime's word: nanoseconds since 1970"},
    {"container.duration", Type::number, all, duration, "nanoseconds since then"},
    {"container.host_pid", Type::boolean, all, told_truth<&I::host_pid>,
     "the runtime's word: it sees the host's processes"},
    {"container.host_network", Type::boolean, all, told_truth<&I::host_network>, "the runtime's word"},
    {"container.host_ipc", Type::boolean, all, told_truth<&I::host_ipc>, "the runtime's word"},
    named<label<&I::labels>>("container.label", "the runtime's word: one label"),
    {"container.labels", Type::text, all, labels<&I::labels>, "all labels: name:value, ...", {}, {}, false, 5},
    {"k8s.ns.name", Type::text, all, told<&I::pod_namespace>, "the runtime's word: the pod's namespace"},
    {"k8s.pod.name", Type::text, all, told<&I::pod_name>, "the runtime's word"},
    {"k8s.pod.id", Type::text, all, pod_uid, "the same as k8s.pod.uid"},
    {"k8s.pod.uid", Type::text, all, pod_uid, "the runtime's word, or what the cgroup's path says"},
    {"k8s.pod.sandbox_id", Type::text, all, sandbox, "the runtime's word: 12 characters"},
    {"k8s.pod.full_sandbox_id", Type::text, all, told<&I::pod_sandbox_id>, "the whole of it"},
    {"k8s.pod.ip", Type::text, all, told<&I::pod_ip>, "the runtime's word"},
    named<label<&I::pod_labels>>("k8s.pod.label", "the runtime's word: one label of the pod"),
    {"k8s.pod.labels", Type::text, all, labels<&I::pod_labels>, "all labels of the pod", {}, {}, false, 5},
});

}  // namespace

std::span<const Field> container_fields() { return fields; }

}  // namespace shrike::scoring
