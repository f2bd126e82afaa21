#include "agent/probe/kernel_object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "agent/probe/libbpf_words.h"
#include "agent/probe/links.h"
#include "agent/probe/lsm_object.h"
#include "agent/probe/record.h"
#include "common/base/file.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "bpf/shrike.skel.h"
#pragma GCC diagnostic pop

namespace shrike::probe {
namespace {

// What each generation has for itself; all other maps are shared.
constexpr std::string_view own_maps[] = {"prefixes", "names",       "objects",     "on_enter",
                                         "on_exit",  "own_objects", "late_records"};
// Without these there is nothing to watch processes with.
constexpr std::string_view essential[] = {"sys_exit", "on_fork", "on_exec", "on_exit_process", "change_setting"};

bool is_in(std::string_view name, const auto& list) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

// "exit_open" and the like: reached by tail call, never attached.
bool is_handler(std::string_view name) {
  return name.starts_with("exit_") || name.starts_with("enter_") || name.starts_with("keep_");
}

// What comes behind `prefix` in the program's section name, or "".
std::string_view hook(const bpf_program* program, std::string_view prefix) {
  const std::string_view section = bpf_program__section_name(program);
  return section.starts_with(prefix) ? section.substr(prefix.size()) : std::string_view();
}

// One that may sleep has the section "iter.s/task".
bool is_task_iterator(const bpf_program* program) {
  return hook(program, "iter/") == "task" || hook(program, "iter.s/") == "task";
}

// Attached to the kernel; others are run by us.
bool is_hook(const bpf_program* program) {
  return !is_task_iterator(program) && std::string_view(bpf_program__section_name(program)) != "syscall";
}

// Would this entry point have anything to do?
bool needed(const bpf_program* program, const FilterTables& tables) {
  const std::string_view point = hook(program, "tp_btf/");
  if (point == "sys_enter") return tables.hooks_entry();
  if (point == "sys_exit") return tables.hooks_exit();
  if (point == "inet_sock_set_state") return tables.wants(EventKind::tcp_state);
  if (point == "signal_generate") return tables.wants(EventKind::signal);
  if (point == "io_uring_complete") return tables.wants(EventKind::open);
  if (point.starts_with("io_uring_")) return tables.wants(EventKind::uring_op);
  return true;
}

std::set<std::string_view> wanted_handlers(const FilterTables& tables) {
  std::set<std::string_view> names;
  for (int call = 1; call < SHRIKE_CALL_END; ++call) {
    if (shrike_call_wanted(&shrike_call_infos[call], tables.filter.kinds) != 0)
      names.insert(shrike_call_infos[call].on_exit);
    if (shrike_call_enters(&shrike_call_infos[call], tables.filter.kinds) != 0)
      names.insert(shrike_call_infos[call].on_enter);
  }
  return names;
}

void note(Features& features, std::string text) {
  if (!is_in(text, features.notes)) features.notes.push_back(std::move(text));
}

// A program of two instructions says whether the kernel takes LSM programs at all; some load and are never called.
void probe_lsm(Features& features) {
  const auto active = read_file("/sys/kernel/security/lsm", 4096);
  if (!active.ok() || ("," + *active + ",").find(",bpf,") == std::string::npos)
    return note(features, "BPF LSM is not active (lsm=...,bpf on the kernel's command line)");
  const bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_LSM_MAC,
              .attach_btf_id = static_cast<__u32>(std::max(0, libbpf_find_vmlinux_btf_id("file_open", BPF_LSM_MAC))));
  const Fd program(::bpf_prog_load(BPF_PROG_TYPE_LSM, "probe", "GPL", instructions, 2, &options));
  features.bpf_lsm = program.valid();
  if (!program.valid()) note(features, errno_error("BPF LSM programs are refused").message);
}

}  // namespace

struct KernelObject::Impl {
  shrike_bpf* skeleton = nullptr;
  std::vector<Fd> shard_rings;
  Links links;
  std::vector<LsmObject> lsm;  // where BPF LSM is active: those that note, those that refuse
  KernelSource::Ids ids;
  std::map<std::string, uint32_t> program_ids;
  uint32_t task_lookup = 0;
  bool calls_back = false;
  bool shares = false;                                // most maps with a generation before it
  std::set<std::string, std::less<>> missing_points;  // programs whose tracepoint this kernel does not have

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    links.detach();
    shrike_bpf__destroy(skeleton);
  }
  [[nodiscard]] bpf_map* find(const std::string& name) const {
    return bpf_object__find_map_by_name(skeleton->obj, name.c_str());
  }
  void choose_programs(const FilterTables& tables, const std::set<std::string>& refused, Features& features);
  [[nodiscard]] Result<void> prepare_maps(const FilterTables& tables, const RingSizes& sizes,
                                          const Impl* shared_with) const;
  Result<void> make_shard_rings(const RingSizes& sizes, const Impl* shared_with);
  [[nodiscard]] Result<void> fill_maps(const FilterTables& tables, Features& features) const;
  void load_lsm(const FilterTables& tables, uint64_t generation, Features& features);
  void say_what_is_there(Features& features) const;
  void read_ids();
  [[nodiscard]] Result<void> seal(const KernelSource::Ids& beside);
};

KernelObject::KernelObject(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelObject::KernelObject(KernelObject&&) noexcept = default;
KernelObject& KernelObject::operator=(KernelObject&&) noexcept = default;
KernelObject::~KernelObject() = default;

void KernelObject::Impl::choose_programs(const FilterTables& tables, const std::set<std::string>& refused,
                                         Features& features) {
  const auto handlers = wanted_handlers(tables);
  btf* kernel = btf__load_vmlinux_btf();
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    const std::string name = bpf_program__name(program);
    bool load = is_handler(name) ? handlers.contains(name) : needed(program, tables);
    if (const std::string point(hook(program, "tp_btf/")); !point.empty() && !is_handler(name)) {
      // Tracepoints of later kernels, or of options this one was built without.
      const bool there =
          kernel == nullptr || btf__find_by_name_kind(kernel, ("btf_trace_" + point).c_str(), BTF_KIND_TYPEDEF) > 0;
      // One tracepoint with an older name: io_uring_ops tells whether either is there.
      if (!there && !point.starts_with("io_uring_submit"))
        note(features, "no tracepoint " + point + ": " + name + " sees nothing");
      if (!there || refused.contains(name)) missing_points.insert(name);
      load = load && there;
    }
    bpf_program__set_autoload(program, load && !refused.contains(name));
  }
  // Numbers as in bpf/privilege.bpf.c; 0: no way to find a task by its number.
  const auto has = [&](const char* function) {
    return kernel != nullptr && btf__find_by_name_kind(kernel, function, BTF_KIND_FUNC) > 0;
  };
  task_lookup = has("bpf_task_from_vpid") ? 2 : has("bpf_task_from_pid") ? 1 : 0;
  calls_back = has("bpf_task_work_schedule_resume_impl") && has("bpf_copy_from_user_str");
  btf__free(kernel);
}

Result<void> KernelObject::Impl::prepare_maps(const FilterTables& tables, const RingSizes& sizes,
                                              const Impl* shared_with) const {
  const uint32_t cpus = TRY(possible_cpus());
  bpf_map__set_max_entries(skeleton->maps.reserved, static_cast<uint32_t>(sizes.reserved_bytes));
  bpf_map__set_max_entries(skeleton->maps.shards, sizes.shards);
  bpf_map__set_max_entries(skeleton->maps.counters, cpus);
  bpf_map__set_max_entries(skeleton->maps.prefixes,
                           std::max<uint32_t>(1, static_cast<uint32_t>(tables.prefixes.size())));
  bpf_map__set_max_entries(skeleton->maps.names, std::max<uint32_t>(1, static_cast<uint32_t>(tables.names.size())));
  if (shared_with == nullptr) return {};
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const std::string name = bpf_map__name(map);
    if (bpf_map__is_internal(map) || is_in(name, own_maps)) continue;
    const bpf_map* old = shared_with->find(name);
    if (const int error = bpf_map__reuse_fd(map, bpf_map__fd(old)); error != 0)
      return errno_error("map " + name + " of the generation before", -error);
  }
  return {};
}

Result<void> KernelObject::Impl::make_shard_rings(const RingSizes& sizes, const Impl* shared_with) {
  for (uint32_t i = 0; i < sizes.shards; ++i) {
    if (shared_with != nullptr) {
      shard_rings.emplace_back(::fcntl(shared_with->shard_rings[i].get(), F_DUPFD_CLOEXEC, 0));
      if (!shard_rings.back().valid()) return errno_error("ring of shard " + std::to_string(i));
      continue;
    }
    const std::string name = "shard_" + std::to_string(i);
    shard_rings.emplace_back(
        ::bpf_map_create(BPF_MAP_TYPE_RINGBUF, name.c_str(), 0, 0, static_cast<uint32_t>(sizes.shard_bytes), nullptr));
    const int fd = shard_rings.back().get();
    if (fd < 0) return errno_error("ring of shard " + std::to_string(i));
    if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.shards), &i, &fd, BPF_ANY) != 0)
      return errno_error("ring of shard " + std::to_string(i));
  }
  return {};
}

// Handlers into the jump tables, prefixes and names into theirs.
Result<void> KernelObject::Impl::fill_maps(const FilterTables& tables, Features& features) const {
  std::set<std::string> missing;
  const auto jump = [&](const bpf_map* table, uint32_t call, const char* handler) -> Result<void> {
    const bpf_program* program = bpf_object__find_program_by_name(skeleton->obj, handler);
    const int fd = program == nullptr ? -1 : bpf_program__fd(program);
    if (fd < 0) {
      if (missing.insert(handler).second && program == nullptr)
        note(features, std::string("no program ") + handler + ": its system calls are not seen");
      return {};
    }
    if (::bpf_map_update_elem(bpf_map__fd(table), &call, &fd, BPF_ANY) != 0)
      return errno_error(std::string("jump to ") + handler);
    return {};
  };
  for (uint32_t call = 1; call < SHRIKE_CALL_END; ++call) {
    const shrike_call_info& info = shrike_call_infos[call];
    if (shrike_call_wanted(&info, tables.filter.kinds) != 0) TRY_VOID(jump(skeleton->maps.on_exit, call, info.on_exit));
    if (shrike_call_enters(&info, tables.filter.kinds) != 0)
      TRY_VOID(jump(skeleton->maps.on_enter, call, info.on_enter));
  }
  for (const auto& [key, access] : tables.prefixes)
    if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.prefixes), &key, &access, BPF_ANY) != 0)
      return errno_error("path prefix " + std::string(key.text, key.bits / 8));
  for (const auto& [key, access] : tables.names)
    if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.names), &key, &access, BPF_ANY) != 0)
      return errno_error("name " + std::string(key.text, strnlen(key.text, sizeof key.text)));
  return {};
}

// The list of what is ours, by kind of object as bpf/objects.bpf.c numbers them; then all of this generation is frozen.
Result<void> KernelObject::Impl::seal(const KernelSource::Ids& beside) {
  read_ids();
  ids.programs.insert(ids.programs.end(), beside.programs.begin(), beside.programs.end());
  ids.maps.insert(ids.maps.end(), beside.maps.begin(), beside.maps.end());
  ids.links.insert(ids.links.end(), beside.links.begin(), beside.links.end());
  const auto add = [&](uint32_t type, const std::vector<uint32_t>& list) -> Result<void> {
    for (const uint32_t id : list) {
      const uint32_t key[2] = {type, id};
      const uint32_t value = 1;
      if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.own_objects), key, &value, BPF_ANY) != 0)
        return errno_error("list of own BPF objects");
    }
    return {};
  };
  TRY_VOID(add(1, ids.maps));
  TRY_VOID(add(2, ids.programs));
  TRY_VOID(add(3, ids.links));
  // From here on only programs write to any of our maps. Rings, and the word that says whether their consumer sleeps,
  // are written to by it, which the kernel does not allow for a frozen map.
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const std::string_view name = bpf_map__name(map);
    if (bpf_map__is_internal(map) || name == "asleep" || name == "reserved") continue;
    if (name == "late_records") continue;            // holds what the kernel allows in no frozen map
    if (shares && !is_in(name, own_maps)) continue;  // the generation before has frozen it
    // EBUSY: somebody has it mapped already, and can write to it.
    if (::bpf_map_freeze(bpf_map__fd(map)) != 0) return errno_error("freezing map " + std::string(name));
  }
  return {};
}

// Beside the rest, and never needed: what is refused here costs only what LSM hooks would have shown.
void KernelObject::Impl::load_lsm(const FilterTables& tables, uint64_t generation, Features& features) {
  if (!features.bpf_lsm) return;
  const auto map_of = [this](const std::string& name) {
    const bpf_map* map = find(name);
    return map == nullptr ? -1 : bpf_map__fd(map);
  };
  if (tables.denials.count > 0) {
    if (auto loaded = LsmObject::load_denying(tables, generation, map_of, features.notes)) {
      features.denies = true;
      lsm.push_back(std::move(loaded).value());
    } else {
      note(features, loaded.error().message);
    }
  }
  if (auto loaded = LsmObject::load(tables, generation, map_of)) {
    lsm.push_back(std::move(loaded).value());
  } else {
    features.bpf_lsm = false;
    note(features, loaded.error().message);
  }
}

void KernelObject::Impl::say_what_is_there(Features& features) const {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    const bool there = !missing_points.contains(bpf_program__name(program));
    const std::string_view section = bpf_program__section_name(program);
    if (section == "tp_btf/inet_sock_set_state") features.tcp_state = there;
    if (section == "tp_btf/signal_generate") features.signal_origin = there;
    if (section.starts_with("tp_btf/io_uring_submit")) features.io_uring_ops |= there;
    if (is_task_iterator(program)) features.task_iterator = bpf_program__fd(program) >= 0;
  }
  if (!features.io_uring_ops) note(features, "no tracepoint io_uring_submit_req: io_uring operations are not seen");
  struct statfs fs {};
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
    if (::statfs(place, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) features.cgroup_v2 = true;
  if (!features.cgroup_v2) note(features, "no cgroup v2 hierarchy is mounted: cgroup ids and budgets are of its root");
}

Result<KernelObject> KernelObject::load(const FilterTables& tables, uint64_t generation, const RingSizes& sizes,
                                        const KernelObject* shared_with, Features& features) {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
    return errno_error("/sys/kernel/btf/vmlinux: this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)");
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  features = Features{};
  {
    LibbpfWords words;
    probe_lsm(features);
  }
  const Impl* shared = shared_with == nullptr ? nullptr : shared_with->impl_.get();
  std::set<std::string> refused;
  bool no_callbacks = false;
  for (;;) {
    LibbpfWords words;
    auto impl = std::make_unique<Impl>();
    impl->skeleton = shrike_bpf__open();
    if (impl->skeleton == nullptr) return errno_error("BPF object: " + last_words(words.text));
    impl->shares = shared != nullptr;
    impl->choose_programs(tables, refused, features);
    impl->skeleton->rodata->filter = tables.filter;
    impl->skeleton->rodata->calls = tables.calls;
    impl->skeleton->rodata->generation = generation;
    impl->skeleton->rodata->task_lookup = impl->task_lookup;
    impl->skeleton->rodata->calls_back = impl->calls_back && !no_callbacks ? 1 : 0;
    impl->skeleton->rodata->lsm_active = features.bpf_lsm ? 1 : 0;
    TRY_VOID(impl->prepare_maps(tables, sizes, shared));
    if (const int error = shrike_bpf__load(impl->skeleton); error != 0) {
      const std::string program = refused_program(words.text);
      const Error why = errno_error("BPF program " + program + ": " + last_words(words.text), -error);
      if (::geteuid() != 0 && (error == -EPERM || error == -EACCES))
        return Error{"loading BPF programs needs root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", -error};
      if (program == "exit_exec" && !std::exchange(no_callbacks, true)) continue;  // without what it can do without
      if (program.empty() || is_in(program, essential) || !refused.insert(program).second) return why;
      note(features, "this kernel refuses " + why.message);
      continue;
    }
    TRY_VOID(impl->make_shard_rings(sizes, shared));
    TRY_VOID(impl->fill_maps(tables, features));
    impl->load_lsm(tables, generation, features);
    impl->say_what_is_there(features);
    features.late_arguments = impl->skeleton->rodata->calls_back != 0;
    return KernelObject(std::move(impl));
  }
}

Result<void> KernelObject::attach(Features& features, const KernelSource::Ids& beside) {
  LibbpfWords words;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->skeleton->obj) {
    const std::string name = bpf_program__name(program);
    if (bpf_program__fd(program) < 0 || is_handler(name) || !is_hook(program)) continue;
    bpf_link* link = bpf_program__attach(program);
    if (link != nullptr) {
      impl_->links.add(link);
      continue;
    }
    const Error why = errno_error("attaching BPF program " + name + ": " + last_words(words.text));
    if (is_in(name, essential)) {
      impl_->links.detach();
      return why;
    }
    note(features, why.message);
  }
  for (LsmObject& hooks : impl_->lsm) {
    if (const auto attached = hooks.attach(); !attached.ok()) {
      (hooks.programs().contains("deny_open") ? features.denies : features.bpf_lsm) = false;
      note(features, attached.error().message);
    }
  }
  return impl_->seal(beside);
}

Result<Settings> KernelObject::settings() const {
  Fd program(::fcntl(bpf_program__fd(impl_->skeleton->progs.change_setting), F_DUPFD_CLOEXEC, 0));
  if (!program.valid()) return errno_error("BPF program change_setting");
  return Settings(std::move(program));
}

int KernelObject::map(const std::string& name) const {
  const bpf_map* map = impl_->find(name);
  return map == nullptr ? -1 : bpf_map__fd(map);
}

uint32_t KernelObject::entries(const std::string& name) const {
  const bpf_map* map = impl_->find(name);
  return map == nullptr ? 0 : bpf_map__max_entries(map);
}

const std::vector<Fd>& KernelObject::shard_rings() const { return impl_->shard_rings; }

Result<Fd> KernelObject::iterate_tasks() const {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->skeleton->obj) {
    if (!is_task_iterator(program)) continue;
    if (bpf_program__fd(program) < 0) break;
    bpf_link* link = bpf_program__attach_iter(program, nullptr);
    if (link == nullptr) return errno_error("task iterator");
    Fd fd(::bpf_iter_create(bpf_link__fd(link)));
    const int error = errno;
    bpf_link__destroy(link);  // the iteration keeps the program
    if (!fd.valid()) return errno_error("task iterator", error);
    return fd;
  }
  return Error{"task iterator: this kernel has none", ENOTSUP};
}

void KernelObject::Impl::read_ids() {
  const auto id_of = [](int fd, auto info, auto member) -> uint32_t {
    uint32_t size = sizeof info;
    return fd >= 0 && ::bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.*member : 0;
  };
  const auto keep = [](std::vector<uint32_t>& to, uint32_t id) {
    if (id != 0) to.push_back(id);
  };
  ids = {};
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    const uint32_t id = id_of(bpf_program__fd(program), bpf_prog_info{}, &bpf_prog_info::id);
    keep(ids.programs, id);
    if (id != 0) program_ids[bpf_program__name(program)] = id;
  }
  for (const LsmObject& hooks : lsm) {
    for (const auto& [name, id] : hooks.programs()) {
      keep(ids.programs, id);
      program_ids[name] = id;
    }
    for (const uint32_t id : hooks.own_maps()) keep(ids.maps, id);
    for (const uint32_t id : hooks.links()) keep(ids.links, id);
  }
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj)
      keep(ids.maps, id_of(bpf_map__fd(map), bpf_map_info{}, &bpf_map_info::id));
  for (const Fd& ring : shard_rings) keep(ids.maps, id_of(ring.get(), bpf_map_info{}, &bpf_map_info::id));
  for (const bpf_link* link : links) keep(ids.links, id_of(bpf_link__fd(link), bpf_link_info{}, &bpf_link_info::id));
}

const KernelSource::Ids& KernelObject::ids() const { return impl_->ids; }

uint32_t KernelObject::program_id(const std::string& name) const {
  const auto at = impl_->program_ids.find(name);
  return at == impl_->program_ids.end() ? 0 : at->second;
}

Result<uint32_t> possible_cpus() {
  const int count = libbpf_num_possible_cpus();
  if (count <= 0) return errno_error("number of possible cores", -count);
  return static_cast<uint32_t>(count);
}

}  // namespace shrike::probe
