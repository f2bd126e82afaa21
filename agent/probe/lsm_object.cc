#include "agent/probe/lsm_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <string_view>
#include <utility>

#include "agent/probe/libbpf_words.h"
#include "agent/probe/links.h"
#include "agent/probe/record.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "bpf/deny.skel.h"
#include "bpf/lsm.skel.h"
#pragma GCC diagnostic pop

namespace shrike::probe {
namespace {

// What each hook can tell about.
constexpr std::pair<std::string_view, EventKind> hooks[] = {
    {"lsm/path_unlink", EventKind::unlink},    {"lsm/path_rmdir", EventKind::rmdir},
    {"lsm/path_mkdir", EventKind::mkdir},      {"lsm/path_symlink", EventKind::symlink},
    {"lsm/path_link", EventKind::link},        {"lsm/path_rename", EventKind::rename},
    {"lsm/path_chmod", EventKind::chmod},      {"lsm/path_chown", EventKind::chown},
    {"lsm/path_truncate", EventKind::truncate}};

bool needed(std::string_view section, const FilterTables& tables) {
  for (const auto& [name, kind] : hooks)
    if (section == name) return tables.wants(kind);
  return false;
}

template <typename Info>
uint32_t id_of(int fd) {
  Info info{};
  uint32_t size = sizeof info;
  return fd >= 0 && ::bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

}  // namespace

struct LsmObject::Impl {
  std::unique_ptr<void, void (*)(void*)> skeleton;  // either kind
  bpf_object* object;
  Links links;

  Impl(std::unique_ptr<void, void (*)(void*)> given, bpf_object* of) : skeleton(std::move(given)), object(of) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() = default;
  [[nodiscard]] Result<void> share_maps(const std::function<int(const std::string&)>& map_of) const;
  [[nodiscard]] Result<void> load(const LibbpfWords& words) const;
};

LsmObject::LsmObject(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LsmObject::LsmObject(LsmObject&&) noexcept = default;
LsmObject& LsmObject::operator=(LsmObject&&) noexcept = default;
LsmObject::~LsmObject() = default;

Result<void> LsmObject::Impl::share_maps(const std::function<int(const std::string&)>& map_of) const {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (bpf_map__is_internal(map)) continue;
    const std::string name = bpf_map__name(map);
    if (const int error = bpf_map__reuse_fd(map, map_of(name)); error != 0)
      return errno_error("BPF LSM object: map " + name, -error);
  }
  return {};
}

Result<void> LsmObject::Impl::load(const LibbpfWords& words) const {
  if (const int error = bpf_object__load(object); error != 0)
    return errno_error(
        "this kernel refuses the LSM hook " + refused_program(words.text) + ": " + last_words(words.text), -error);
  return {};
}

Result<LsmObject> LsmObject::load(const FilterTables& tables, uint64_t generation,
                                  const std::function<int(const std::string&)>& map_of) {
  LibbpfWords words;
  lsm_bpf* skeleton = lsm_bpf__open();
  if (skeleton == nullptr) return errno_error("BPF LSM object: " + last_words(words.text));
  auto impl = std::make_unique<Impl>(
      std::unique_ptr<void, void (*)(void*)>(skeleton, [](void* p) { lsm_bpf__destroy(static_cast<lsm_bpf*>(p)); }),
      skeleton->obj);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl->object)
      bpf_program__set_autoload(program, needed(bpf_program__section_name(program), tables));
  skeleton->rodata->filter = tables.filter;
  skeleton->rodata->calls = tables.calls;
  skeleton->rodata->generation = generation;
  TRY_VOID(impl->share_maps(map_of));
  TRY_VOID(impl->load(words));
  return LsmObject(std::move(impl));
}

Result<LsmObject> LsmObject::load_denying(const FilterTables& tables, uint64_t generation,
                                          const std::function<int(const std::string&)>& map_of,
                                          std::vector<std::string>& notes) {
  LibbpfWords words;
  deny_bpf* skeleton = deny_bpf__open();
  if (skeleton == nullptr) return errno_error("BPF LSM object: " + last_words(words.text));
  auto impl = std::make_unique<Impl>(
      std::unique_ptr<void, void (*)(void*)>(skeleton, [](void* p) { deny_bpf__destroy(static_cast<deny_bpf*>(p)); }),
      skeleton->obj);
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl->object) {
    const std::string hook(std::string_view(bpf_program__section_name(program)).substr(4));
    const bool there = libbpf_find_vmlinux_btf_id(hook.c_str(), BPF_LSM_MAC) > 0;
    bpf_program__set_autoload(program, there);
    // These two came with 6.2, and do what another hook did before.
    if (!there && hook != "file_truncate" && hook != "inode_set_acl")
      notes.push_back("no LSM hook " + hook + ": what it asks about is not refused");
  }
  skeleton->rodata->filter = tables.filter;
  skeleton->rodata->calls = tables.calls;
  skeleton->rodata->generation = generation;
  skeleton->rodata->denials = tables.denials;
  TRY_VOID(impl->share_maps(map_of));
  TRY_VOID(impl->load(words));
  return LsmObject(std::move(impl));
}

Result<void> LsmObject::attach() { return impl_->links.attach_all(impl_->object, "the LSM hook"); }

std::map<std::string, uint32_t> LsmObject::programs() const {
  std::map<std::string, uint32_t> ids;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->object) {
    if (const uint32_t id = id_of<bpf_prog_info>(bpf_program__fd(program)); id != 0)
      ids[bpf_program__name(program)] = id;
  }
  return ids;
}

std::vector<uint32_t> LsmObject::own_maps() const {
  std::vector<uint32_t> ids;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, impl_->object) if (bpf_map__is_internal(map))
      ids.push_back(id_of<bpf_map_info>(bpf_map__fd(map)));
  return ids;
}

std::vector<uint32_t> LsmObject::links() const {
  std::vector<uint32_t> ids;
  for (const bpf_link* link : impl_->links) ids.push_back(id_of<bpf_link_info>(bpf_link__fd(link)));
  return ids;
}

}  // namespace shrike::probe
