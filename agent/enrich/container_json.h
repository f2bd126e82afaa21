#pragma once
// The files that container runtimes leave: text to ContainerInfo. Pure. Image names, labels and annotations in them are
// chosen by whoever may start a container, so sizes, depth and counts are bounded whatever the text says.

#include <string>
#include <string_view>

#include "common/wire/container_info.h"

namespace shrike::enrich {

/// Larger files are not read.
inline constexpr size_t container_file_max_bytes = 1u << 20;
/// The same of files about all containers or images of a runtime.
inline constexpr size_t container_list_max_bytes = 2u << 20;
/// All text of one ContainerInfo together; what is longer is cut.
inline constexpr size_t container_text_max_bytes = 16u << 10;

/// From an OCI bundle's config.json, as containerd, cri-o and podman write it. `sandbox`: the same of the pod's pause
/// container, empty when there is none or it is not known; it tells what the container only shares. Nothing when `spec`
/// is no such file. Source: OCI runtime-spec 1.0, annotations of containerd's CRI plugin, cri-o and podman.
std::optional<ContainerInfo> info_of_oci(std::string_view spec, std::string_view sandbox = {});

/// The id of the pause container that a config.json names; empty: none, or itself.
std::string sandbox_of_oci(std::string_view spec);

/// From docker's config.v2.json and hostconfig.json (empty: not there). Nothing when `config` is no such file.
std::optional<ContainerInfo> info_of_docker(std::string_view config, std::string_view host_config);

/// Name and digest of the image from docker's repositories.json, where `info` knows only its id.
void add_docker_image(ContainerInfo& info, std::string_view repositories, std::string_view full_image_id);
/// The full id ("sha256:...") that a config.v2.json gives its image.
std::string docker_image_id(std::string_view config);

/// Name and image from containers/storage's containers.json (podman, cri-o), where `info` has none yet. Whether the
/// container is in it.
bool add_storage_record(ContainerInfo& info, std::string_view containers, std::string_view id);

/// Splits "repository[:tag][@digest]" into the fields of `info`.
void set_image(ContainerInfo& info, std::string_view reference);

}  // namespace shrike::enrich
