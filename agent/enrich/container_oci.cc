// config.json of OCI bundles, and containers/storage's list.

#include <algorithm>
#include <array>

#include "agent/enrich/bounded_json.h"
#include "agent/enrich/container_json.h"

namespace shrike::enrich {
namespace {

constexpr size_t mounts_max = 64;
constexpr size_t labels_max = 64;
constexpr size_t short_id = 12;

json parse_spec(std::string_view text) {
  return parse_members(text, {"ociVersion", "annotations", "mounts", "linux", "process"});
}

/// The first of these annotations that there is.
const json& annotation(const json& spec, std::initializer_list<std::string_view> names) {
  const json& annotations = at(spec, "annotations");
  for (const std::string_view name : names)
    if (const json& found = at(annotations, name); found.is_string() && !found.get_ref<const std::string&>().empty())
      return found;
  return at(json(), "");
}

std::string_view view(const json& text) {
  return text.is_string() ? std::string_view(text.get_ref<const std::string&>()) : std::string_view{};
}

/// cri-o keeps labels as JSON in an annotation.
ContainerInfo::Labels labels(const json& spec, TextBudget& budget) {
  ContainerInfo::Labels out;
  const json& text = annotation(spec, {"io.kubernetes.cri-o.Labels"});
  if (!text.is_string()) return out;
  const std::string_view object = view(text);
  const auto flat = [](int depth, json::parse_event_t event, json&) {
    return depth == 0 || (event != json::parse_event_t::object_start && event != json::parse_event_t::array_start);
  };
  const json all = json::parse(object.begin(), object.end(), flat, false);
  if (!all.is_object()) return out;
  for (const auto& [name, value] : all.items()) {
    if (out.size() == labels_max) break;
    if (value.is_string()) out.emplace_back(budget.text(std::string_view(name)), budget.text(value));
  }
  return out;
}

bool has(const json& list, std::string_view text) {
  return list.is_array() && std::any_of(list.begin(), list.end(), [&](const json& one) { return view(one) == text; });
}

bool nothing_in(const json& list) { return !list.is_array() || list.empty(); }

/// What --privileged gives and single options (all capabilities, no seccomp filter) do not: nothing of /proc is masked.
std::optional<bool> privileged(const json& spec) {
  const std::string_view told = view(annotation(spec, {"io.podman.annotations.privileged"}));
  if (told == "TRUE") return true;
  const json& capabilities = at(at(at(spec, "process"), "capabilities"), "bounding");
  const json& linux_part = at(spec, "linux");
  if (!at(spec, "process").is_object() || !linux_part.is_object()) return std::nullopt;
  static constexpr auto needed = std::to_array<std::string_view>(
      {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_SYS_BOOT"});
  return std::all_of(needed.begin(), needed.end(), [&](std::string_view one) { return has(capabilities, one); }) &&
         nothing_in(at(linux_part, "maskedPaths")) && nothing_in(at(linux_part, "readonlyPaths"));
}

enum class Namespace { own, shared, host, unknown };

Namespace namespace_of(const json& spec, std::string_view type) {
  const json& list = at(at(spec, "linux"), "namespaces");
  if (!list.is_array()) return Namespace::unknown;
  for (const json& one : list)
    if (view(at(one, "type")) == type) return view(at(one, "path")).empty() ? Namespace::own : Namespace::shared;
  return Namespace::host;  // what the list does not name is the runtime's own
}

/// Shared is what the pause container has; who else it may be shared with, the file does not say.
std::optional<bool> is_hosts(const json& spec, const json& sandbox, std::string_view type) {
  Namespace where = namespace_of(spec, type);
  if (where == Namespace::shared) {
    where = namespace_of(sandbox, type);
    if (where == Namespace::shared) where = Namespace::own;  // made before the pause container, for the pod
  }
  if (where == Namespace::unknown) return std::nullopt;
  return where == Namespace::host;
}

void read_mounts(const json& spec, ContainerInfo& info, TextBudget& budget) {
  static constexpr auto propagations =
      std::to_array<std::string_view>({"private", "rprivate", "shared", "rshared", "slave", "rslave"});
  const json& mounts = at(spec, "mounts");
  if (!mounts.is_array()) return;
  for (const json& mount : mounts) {
    if (info.mounts.size() == mounts_max) return;
    const json& options = at(mount, "options");
    if (view(at(mount, "type")) != "bind" && !has(options, "bind") && !has(options, "rbind")) continue;
    ContainerInfo::Mount out;
    out.source = budget.text(at(mount, "source"));
    out.dest = budget.text(at(mount, "destination"));
    out.writable = !has(options, "ro");
    for (const std::string_view propagation : propagations)
      if (has(options, propagation)) out.propagation = propagation;
    info.mounts.push_back(std::move(out));
  }
}

bool is_hex_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

void set_image(ContainerInfo& info, std::string_view reference) {
  info.image = reference;
  std::string_view name = reference;
  if (const size_t digest = name.find('@'); digest != std::string_view::npos) {
    info.image_digest = name.substr(digest + 1);
    name = name.substr(0, digest);
  }
  const size_t colon = name.rfind(':');
  // A colon before a slash is that of the registry's port.
  if (colon != std::string_view::npos && name.find('/', colon) == std::string_view::npos) {
    info.image_tag = name.substr(colon + 1);
    name = name.substr(0, colon);
  }
  info.image_repository = name;
}

std::string sandbox_of_oci(std::string_view text) {
  const json spec = parse_spec(text);
  const std::string_view kind =
      view(annotation(spec, {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"}));
  if (kind == "sandbox") return {};
  const std::string_view id = view(annotation(spec, {"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"}));
  return is_hex_id(id) ? std::string(id) : std::string{};
}

std::optional<ContainerInfo> info_of_oci(std::string_view text, std::string_view sandbox_text) {
  const json spec = parse_spec(text);
  if (!at(spec, "ociVersion").is_string()) return std::nullopt;
  const json sandbox = sandbox_text.empty() ? json() : parse_spec(sandbox_text);
  const bool is_sandbox =
      view(annotation(spec, {"io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"})) == "sandbox";
  ContainerInfo info;
  TextBudget budget(container_text_max_bytes);
  const auto told = [&](std::initializer_list<std::string_view> names) { return budget.text(annotation(spec, names)); };

  info.pod_name = told({"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name", "io.kubernetes.cri-o.KubeName"});
  info.pod_namespace =
      told({"io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace", "io.kubernetes.cri-o.Namespace"});
  info.pod_uid = told({"io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"});
  info.pod_sandbox_id = told({"io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"});
  info.name = told({"io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"});
  if (info.name.empty() && is_sandbox) info.name = info.pod_name;

  set_image(info, told({"io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"}));
  // What cri-o was asked for may be an id; what that is has a digest or is the image's id itself.
  const std::string reference = told({"io.kubernetes.cri-o.ImageRef", "io.kubernetes.cri-o.Image"});
  if (const size_t digest = reference.find('@'); digest != std::string::npos && info.image_digest.empty())
    info.image_digest = reference.substr(digest + 1);
  if (is_hex_id(reference)) info.image_id = reference.substr(0, short_id);

  info.ip = info.pod_ip = told({"io.kubernetes.cri-o.IP.0"});
  info.privileged = privileged(spec);
  info.host_pid = is_hosts(spec, sandbox, "pid");
  info.host_network = is_hosts(spec, sandbox, "network");
  info.host_ipc = is_hosts(spec, sandbox, "ipc");
  info.start_ns = time_of(view(annotation(spec, {"io.kubernetes.cri-o.Created"})));
  read_mounts(spec, info, budget);
  info.labels = labels(spec, budget);
  info.pod_labels = is_sandbox ? labels(spec, budget) : labels(sandbox, budget);
  if (info.pod_ip.empty()) info.ip = info.pod_ip = budget.text(annotation(sandbox, {"io.kubernetes.cri-o.IP.0"}));
  return info;
}

bool add_storage_record(ContainerInfo& info, std::string_view containers, std::string_view id) {
  const json records = parse_records(containers, id);
  if (!records.is_array() || records.empty()) return false;
  const json& record = records.front();
  TextBudget budget(container_text_max_bytes / 4);
  const json metadata = parse_members(view(at(record, "metadata")), {"name", "metadata-name", "image-name"});
  if (info.name.empty()) info.name = budget.text(at(metadata, "metadata-name"));
  if (info.name.empty()) info.name = budget.text(at(metadata, "name"));
  if (const json& names = at(record, "names"); info.name.empty() && names.is_array() && !names.empty())
    info.name = budget.text(names.front());
  if (info.image.empty()) {
    const std::string digest = info.image_digest;
    set_image(info, budget.text(at(metadata, "image-name")));
    if (info.image_digest.empty()) info.image_digest = digest;
  }
  if (info.image_id.empty()) info.image_id = budget.text(at(record, "image"), short_id);
  if (info.start_ns == 0) info.start_ns = time_of(view(at(record, "created")));
  return true;
}

}  // namespace shrike::enrich
