// What dockerd keeps of a container: config.v2.json and hostconfig.json.

#include "agent/enrich/bounded_json.h"
#include "agent/enrich/container_json.h"

namespace shrike::enrich {
namespace {

constexpr size_t mounts_max = 64;
constexpr size_t labels_max = 64;
constexpr size_t short_id = 12;
constexpr std::string_view digest_prefix = "sha256:";

std::string_view view(const json& text) {
  return text.is_string() ? std::string_view(text.get_ref<const std::string&>()) : std::string_view{};
}

/// "host", or something of the container's own; what is another container's is not known here.
std::optional<bool> is_host(const json& mode) {
  if (!mode.is_string() || view(mode).starts_with("container:")) return std::nullopt;
  return view(mode) == "host";
}

void read_mounts(const json& points, ContainerInfo& info, TextBudget& budget) {
  if (!points.is_object()) return;
  for (const auto& [where, point] : points.items()) {
    if (info.mounts.size() == mounts_max) return;
    ContainerInfo::Mount mount;
    mount.source = budget.text(at(point, "Source"));
    if (mount.source.empty()) mount.source = budget.text(at(point, "Name"));  // a volume that is not mounted yet
    mount.dest = budget.text(std::string_view(where));
    mount.mode = budget.text(at(point, "Relabel"));
    mount.propagation = budget.text(at(point, "Propagation"));
    mount.writable = at(point, "RW") == json(true);
    info.mounts.push_back(std::move(mount));
  }
}

void read_labels(const json& labels, ContainerInfo& info, TextBudget& budget) {
  if (!labels.is_object()) return;
  // With Kubernetes over docker the pod stands in labels.
  info.pod_name = budget.text(at(labels, "io.kubernetes.pod.name"));
  info.pod_namespace = budget.text(at(labels, "io.kubernetes.pod.namespace"));
  info.pod_uid = budget.text(at(labels, "io.kubernetes.pod.uid"));
  info.pod_sandbox_id = budget.text(at(labels, "io.kubernetes.sandbox.id"));
  for (const auto& [name, value] : labels.items()) {
    if (info.labels.size() == labels_max) return;
    info.labels.emplace_back(budget.text(std::string_view(name)), budget.text(value));
  }
}

}  // namespace

std::optional<ContainerInfo> info_of_docker(std::string_view config_text, std::string_view host_text) {
  const json config =
      parse_members(config_text, {"ID", "Name", "Config", "Image", "NetworkSettings", "State", "MountPoints"});
  if (!at(config, "ID").is_string()) return std::nullopt;
  const json host = parse_members(host_text, {"Privileged", "PidMode", "NetworkMode", "IpcMode"});

  ContainerInfo info;
  TextBudget budget(container_text_max_bytes);
  info.name = budget.text(at(config, "Name"));
  if (info.name.starts_with('/')) info.name.erase(0, 1);
  const std::string image = budget.text(at(at(config, "Config"), "Image"));
  if (image.starts_with(digest_prefix)) {
    info.image = image;  // asked for by its id: add_docker_image knows more
  } else {
    set_image(info, image);
  }
  if (const std::string_view id = view(at(config, "Image")); id.starts_with(digest_prefix))
    info.image_id = budget.text(id.substr(digest_prefix.size()), short_id);
  info.start_ns = time_of(view(at(at(config, "State"), "StartedAt")));
  if (const json& privileged = at(host, "Privileged"); privileged.is_boolean())
    info.privileged = privileged.get<bool>();
  info.host_pid = is_host(at(host, "PidMode"));
  info.host_network = is_host(at(host, "NetworkMode"));
  info.host_ipc = is_host(at(host, "IpcMode"));
  if (const json& networks = at(at(config, "NetworkSettings"), "Networks"); networks.is_object())
    for (const json& network : networks)
      if (info.ip.empty()) info.ip = budget.text(at(network, "IPAddress"));
  read_labels(at(at(config, "Config"), "Labels"), info, budget);
  read_mounts(at(config, "MountPoints"), info, budget);
  return info;
}

std::string docker_image_id(std::string_view config) {
  const json parsed = parse_members(config, {"Image"});
  const std::string_view id = view(at(parsed, "Image"));
  return id.starts_with(digest_prefix) && id.size() == digest_prefix.size() + 64 ? std::string(id) : std::string{};
}

void add_docker_image(ContainerInfo& info, std::string_view text, std::string_view full_image_id) {
  if (full_image_id.empty()) return;
  using Event = json::parse_event_t;
  const json wanted(full_image_id);
  // {"Repositories": {"nginx": {"nginx:1.25": id, "nginx@sha256:...": id}}}: only the values that are ours are kept.
  const auto keep = [&](int depth, Event event, json& parsed) {
    if (event == Event::object_start || event == Event::array_start) return depth <= 2;
    return event != Event::value || parsed == wanted;
  };
  const json all = json::parse(text.begin(), text.end(), keep, false);
  TextBudget budget(2048);
  const json& repositories = at(all, "Repositories");
  if (!repositories.is_object()) return;
  for (const auto& [repository, references] : repositories.items()) {
    if (!references.is_object() || references.empty()) continue;
    // One image can be in many repositories: its own comes first.
    if (!info.image_repository.empty() && info.image_repository != repository) continue;
    for (const auto& [reference, id] : references.items()) {
      if (id.is_discarded()) continue;
      const size_t digest = reference.find('@');
      if (digest != std::string::npos && info.image_digest.empty())
        info.image_digest = budget.text(std::string_view(reference).substr(digest + 1));
      if (digest == std::string::npos && info.image_repository.empty()) {
        const std::string asked = info.image;
        set_image(info, budget.text(std::string_view(reference)));
        info.image = asked;
      }
    }
  }
}

}  // namespace shrike::enrich
