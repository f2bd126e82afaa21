#include "agent/probe/sequence_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>

#include "agent/probe/libbpf_words.h"
#include "agent/probe/links.h"
#include "agent/probe/mapping.h"
#include "agent/probe/record.h"
#include "bpf/sequence/shrike_sequence.h"
#include "common/base/clock.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "bpf/sequence.skel.h"
#pragma GCC diagnostic pop

namespace shrike::probe {
namespace {

static_assert(sizeof(shrike_bucket) == 64 && sizeof(shrike_ngram) == 16);
static_assert(sizeof(shrike_program_key) == 32 && sizeof(shrike_profile) % 8 == 0);

template <typename Info>
uint32_t id_of(int fd) {
  Info info{};
  uint32_t size = sizeof info;
  return fd >= 0 && ::bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

uint64_t read(const __u64& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); }
uint64_t tag_of(uint32_t program, const Ngram& ngram) { return uint64_t{program} << 32 | ngram.first; }

// Which tracepoint of io_uring's this kernel has, and with it the program; the one without is left out.
bool has_tracepoint(const bpf_program* program) {
  const std::string_view section = bpf_program__section_name(program);
  const std::string point(section.substr(section.find('/') + 1));
  return libbpf_find_vmlinux_btf_id(point.c_str(), BPF_TRACE_RAW_TP) > 0;
}

// A map's content, and how much of it there is.
template <class T>
struct Table {
  Mapping mapping;
  size_t size = 0;
  [[nodiscard]] std::span<T> all() const { return {mapping.as<T>(), size}; }

  static Result<Table> of(const bpf_map* map, bool writable) {
    const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    const size_t size = bpf_map__max_entries(map);
    auto mapping = Mapping::of(bpf_map__fd(map), (size * sizeof(T) + page - 1) / page * page, 0, writable);
    if (!mapping) return mapping.error().in(std::string("BPF map ") + bpf_map__name(map));
    return Table{std::move(mapping).value(), size};
  }
};

}  // namespace

struct SequenceObject::Impl {
  sequence_bpf* skeleton = nullptr;
  Links links;
  std::set<std::string> shared;  // maps that are the other programs'
  bool detects = false;
  uint64_t learn_calls = 0;
  std::optional<Table<const shrike_bucket>> ngrams;
  std::optional<Table<const shrike_profile>> known_programs;
  std::optional<Table<const shrike_sequence_totals>> totals;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    links.detach();
    sequence_bpf__destroy(skeleton);
  }
  void set_up(const SequenceOptions& options, uint32_t shards, uint32_t self_tgid, uint64_t seed) const;
  Result<void> share_maps(const std::function<int(const std::string&)>& map_of);
  [[nodiscard]] Result<void> fill(const SequenceOptions& options) const;
  Result<void> seal();
};

SequenceObject::SequenceObject(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SequenceObject::SequenceObject(SequenceObject&&) noexcept = default;
SequenceObject& SequenceObject::operator=(SequenceObject&&) noexcept = default;
SequenceObject::~SequenceObject() = default;

void SequenceObject::Impl::set_up(const SequenceOptions& options, uint32_t shards, uint32_t self_tgid,
                                  uint64_t seed) const {
  // A quarter more than asked for: with two buckets to choose from, the table is then full before it has no room.
  const auto slots = std::bit_ceil(static_cast<uint32_t>(std::max<size_t>(options.limits.ngrams, 64) / 4 * 5));
  const auto programs = static_cast<uint32_t>(options.limits.programs) + 1;
  shrike_sequence_setup& setup = skeleton->rodata->setup;
  setup.seed = seed;
  setup.learn_ns = options.learn_ns;
  setup.learn_calls = options.learn_calls;
  setup.loaded_ns = boot_now_ns();
  setup.tell_again_ns = options.tell_again_ns;
  setup.bucket_mask = slots / SHRIKE_BUCKET_SLOTS - 1;
  setup.programs_max = programs;
  setup.program_ngrams = static_cast<uint32_t>(options.limits.ngrams_each);
  setup.reports_per_s = options.reports_per_s;
  setup.sample = std::max(1u, options.sample);
  setup.excluded_cgroups = static_cast<uint32_t>(options.excluded_cgroups.size());
  setup.always_learn = options.mode == SequenceMode::learn ? 1 : 0;
  skeleton->rodata->filter.shards = shards;
  skeleton->rodata->filter.self_tgid = self_tgid;
  bpf_map__set_max_entries(skeleton->maps.ngrams, setup.bucket_mask + 1);
  bpf_map__set_max_entries(skeleton->maps.profiles, programs);
  bpf_map__set_max_entries(skeleton->maps.programs, programs);
  bpf_map__set_max_entries(skeleton->maps.excluded, std::max(1u, setup.excluded_cgroups));
}

Result<void> SequenceObject::Impl::share_maps(const std::function<int(const std::string&)>& map_of) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    if (bpf_map__is_internal(map)) continue;
    const std::string name = bpf_map__name(map);
    const int fd = map_of(name);
    if (fd < 0) continue;
    if (const int error = bpf_map__reuse_fd(map, fd); error != 0)
      return errno_error("BPF sequence object: map " + name, -error);
    shared.insert(name);
  }
  return {};
}

// What is known from before goes in where the programs will look for it.
Result<void> SequenceObject::Impl::fill(const SequenceOptions& options) const {
  auto buckets = TRY(Table<shrike_bucket>::of(skeleton->maps.ngrams, true));
  auto profiles = TRY(Table<shrike_profile>::of(skeleton->maps.profiles, true));
  auto counts = TRY(Table<shrike_sequence_totals>::of(skeleton->maps.totals, true));
  const shrike_sequence_setup& setup = skeleton->rodata->setup;
  const uint64_t now = boot_now_ns();
  const uint64_t offset = wall_now_ns() - now;
  const auto put = [&](uint32_t hash, const Ngram& ngram, uint32_t program) {
    for (auto& slot : buckets.all()[hash & setup.bucket_mask].slot) {
      if (slot.program != 0) continue;
      slot = {.last = ngram.last, .first = ngram.first, .program = program};
      return true;
    }
    return false;
  };
  uint32_t program = 0;
  for (const SequenceProfile& p : options.known) {
    if (program + 1 >= setup.programs_max) break;
    const shrike_program_key key = {
        .inode = p.id.inode, .ctime_ns = p.id.ctime_ns, .image = p.id.image, .device = p.id.device, .pad = 0};
    ++program;
    if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.programs), &key, &program, BPF_NOEXIST) != 0) {
      --program;  // twice in the list
      continue;
    }
    shrike_profile& to = profiles.all()[program];
    to.key = key;
    to.mtime_ns = p.mtime_ns;
    to.uid = p.uid;
    to.learn_until_ns = now + std::min(p.learn_left_ns, options.learn_ns);
    to.seen_ns = p.seen_ns > offset ? p.seen_ns - offset : 0;
    to.calls = p.calls;
    to.new_at_calls = p.calls - std::min(p.calls, p.quiet_calls);
    if (p.settled) to.state |= SHRIKE_PROFILE_SETTLED;
    if (p.full) to.state |= SHRIKE_PROFILE_FULL;
    for (const Ngram& ngram : p.ngrams) {
      if (to.ngrams >= setup.program_ngrams) break;
      const uint64_t hash = shrike_ngram_hash(setup.seed, ngram.last, tag_of(program, ngram));
      if (put(static_cast<uint32_t>(hash), ngram, program) || put(static_cast<uint32_t>(hash >> 32), ngram, program))
        ++to.ngrams;
      else
        ++counts.all()[0].table_full;
    }
  }
  counts.all()[0].programs = program;
  const uint32_t one = 1;
  for (const uint64_t id : options.excluded_cgroups)
    if (::bpf_map_update_elem(bpf_map__fd(skeleton->maps.excluded), &id, &one, BPF_ANY) != 0)
      return errno_error("list of excluded cgroups");
  return {};
}

// From here on only the programs write: a profile cannot be forged through a map.
Result<void> SequenceObject::Impl::seal() {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, skeleton->obj) {
    const std::string name = bpf_map__name(map);
    if (bpf_map__is_internal(map) || shared.contains(name)) continue;
    if (::bpf_map_freeze(bpf_map__fd(map)) != 0 && errno != EPERM) return errno_error("freezing map " + name);
  }
  ngrams = TRY(Table<const shrike_bucket>::of(skeleton->maps.ngrams, false));
  known_programs = TRY(Table<const shrike_profile>::of(skeleton->maps.profiles, false));
  totals = TRY(Table<const shrike_sequence_totals>::of(skeleton->maps.totals, false));
  return {};
}

Result<SequenceObject> SequenceObject::load(const SequenceOptions& options, uint32_t shards, uint32_t self_tgid,
                                            const std::function<int(const std::string&)>& map_of,
                                            std::vector<std::string>& notes) {
  uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, 0) != sizeof seed) return errno_error("getrandom");
  std::set<std::string> refused;
  for (;;) {
    LibbpfWords words;
    auto impl = std::make_unique<Impl>();
    impl->skeleton = sequence_bpf__open();
    if (impl->skeleton == nullptr) return errno_error("BPF sequence object: " + last_words(words.text));
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, impl->skeleton->obj) {
      const std::string name = bpf_program__name(program);
      bpf_program__set_autoload(program, has_tracepoint(program) && !refused.contains(name));
    }
    impl->set_up(options, shards, self_tgid, seed);
    impl->detects = options.mode == SequenceMode::detect;
    impl->learn_calls = options.learn_calls;
    TRY_VOID(impl->share_maps(map_of));
    if (const int error = sequence_bpf__load(impl->skeleton); error != 0) {
      const std::string name = refused_program(words.text);
      const Error why =
          errno_error("this kernel refuses the sequence program " + name + ": " + last_words(words.text), -error);
      // Without io_uring's operations the calls are still there.
      if (!name.starts_with("sequence_uring") || !refused.insert(name).second) return why;
      notes.push_back(why.message);
      continue;
    }
    TRY_VOID(impl->fill(options));
    TRY_VOID(impl->seal());
    return SequenceObject(std::move(impl));
  }
}

Result<void> SequenceObject::attach() { return impl_->links.attach_all(impl_->skeleton->obj, "the sequence program"); }

std::vector<SequenceProfile> SequenceObject::profiles() const {
  const uint64_t now = boot_now_ns();
  const uint64_t offset = wall_now_ns() - now;
  std::vector<SequenceProfile> out;
  std::unordered_map<uint32_t, size_t> at;
  uint32_t index = 0;
  for (const shrike_profile& p : impl_->known_programs->all()) {
    const uint32_t program = index++;
    if (program == 0 || p.key.inode == 0) continue;
    at[program] = out.size();
    SequenceProfile& to = out.emplace_back();
    to.id = {.inode = p.key.inode, .ctime_ns = p.key.ctime_ns, .image = p.key.image, .device = p.key.device};
    to.mtime_ns = p.mtime_ns;
    to.uid = p.uid;
    to.learn_left_ns = p.learn_until_ns > now ? p.learn_until_ns - now : 0;
    to.calls = read(p.calls);
    to.quiet_calls = to.calls - std::min(to.calls, read(p.new_at_calls));
    to.seen_ns = p.seen_ns == 0 ? 0 : p.seen_ns + offset;
    // The kernel marks it at the first call that is new then; it is judged from before that on.
    to.settled = (p.state & SHRIKE_PROFILE_SETTLED) != 0 ||
                 (impl_->detects && now >= p.learn_until_ns && to.quiet_calls >= impl_->learn_calls);
    to.full = (p.state & SHRIKE_PROFILE_FULL) != 0;
  }
  for (const shrike_bucket& bucket : impl_->ngrams->all())
    for (const shrike_ngram& slot : bucket.slot)
      if (const auto owner = at.find(slot.program); slot.program != 0 && owner != at.end())
        out[owner->second].ngrams.push_back({.last = slot.last, .first = slot.first});
  for (SequenceProfile& p : out) {
    std::sort(p.ngrams.begin(), p.ngrams.end());
    p.ngrams.erase(std::unique(p.ngrams.begin(), p.ngrams.end()), p.ngrams.end());
  }
  return out;
}

SequenceCounters SequenceObject::counters() const {
  const shrike_sequence_totals& t = impl_->totals->all()[0];
  return {.calls = read(t.calls),
          .programs = read(t.programs),
          .programs_full = read(t.programs_full),
          .learned = read(t.learned),
          .told = read(t.told),
          .repeated = read(t.repeated),
          .held_back = read(t.held_back),
          .profile_full = read(t.profile_full),
          .table_full = read(t.table_full),
          .unstored = read(t.unstored),
          .excluded = read(t.excluded)};
}

std::map<std::string, uint32_t> SequenceObject::programs() const {
  std::map<std::string, uint32_t> ids;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, impl_->skeleton->obj) {
    if (const uint32_t id = id_of<bpf_prog_info>(bpf_program__fd(program)); id != 0)
      ids[bpf_program__name(program)] = id;
  }
  return ids;
}

std::vector<uint32_t> SequenceObject::own_maps() const {
  std::vector<uint32_t> ids;
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, impl_->skeleton->obj) if (!impl_->shared.contains(bpf_map__name(map)))
      ids.push_back(id_of<bpf_map_info>(bpf_map__fd(map)));
  return ids;
}

std::vector<uint32_t> SequenceObject::links() const {
  std::vector<uint32_t> ids;
  for (const bpf_link* link : impl_->links) ids.push_back(id_of<bpf_link_info>(bpf_link__fd(link)));
  return ids;
}

}  // namespace shrike::probe
