#include "agent/probe/kernel_source.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/probe/filter_tables.h"
#include "agent/probe/kernel_object.h"
#include "agent/probe/mapping.h"
#include "agent/probe/object_watch.h"
#include "agent/probe/record.h"
#include "bpf/shrike_counters.h"
#include "common/base/clock.h"
#include "common/base/fd.h"

namespace shrike::probe {
namespace {

static_assert(loss_count <= SHRIKE_LOST_CAUSES && event_class_count == SHRIKE_CLASSES);
static_assert(static_cast<int>(Loss::ring_full) == SHRIKE_LOST_RING);
static_assert(static_cast<int>(Loss::budget) == SHRIKE_LOST_BUDGET);
static_assert(static_cast<int>(Loss::too_large) == SHRIKE_LOST_LARGE);
static_assert(static_cast<int>(EventClass::lifecycle) == SHRIKE_CLASS_LIFECYCLE);
static_assert(static_cast<int>(EventClass::privilege) == SHRIKE_CLASS_PRIVILEGE);
static_assert(static_cast<int>(EventClass::file) == SHRIKE_CLASS_FILE);
static_assert(static_cast<int>(EventClass::network) == SHRIKE_CLASS_NETWORK);
static_assert(sizeof(shrike_counters) % 64 == 0);
static_assert(static_cast<int>(KernelSource::Deny::tell) == SHRIKE_DENY_TELL);
static_assert(static_cast<int>(KernelSource::Deny::refuse) == SHRIKE_DENY_REFUSE);

// By enum shrike_program: the names of the BPF functions.
constexpr const char* program_names[] = {"sys_enter",       "sys_exit",  "on_fork",      "on_exec",
                                         "on_exit_process", "on_signal", "on_tcp_state", "on_uring_submit",
                                         "lsm_unlink",      "deny_open"};
constexpr uint32_t shards_max = SHRIKE_RINGS_MAX - 1;
// How long a file may have another name than its own and be missed under any third one, where no event told of it.
constexpr auto objects_period = std::chrono::seconds(1);

// Does a record tell of what can make a path another file?
bool may_replace(std::span<const std::byte> record) {
  shrike_record r;
  if (record.size() < sizeof r) return false;
  std::memcpy(&r, record.data(), offsetof(shrike_record, boot_ns));
  return (r.kind >= SHRIKE_RENAME && r.kind <= SHRIKE_RMDIR) ||
         (r.kind >= SHRIKE_MOUNT && r.kind <= SHRIKE_PIVOT_ROOT) ||
         (r.kind == SHRIKE_OPEN && (r.flags & SHRIKE_F_CREATED) != 0);
}

size_t page_bytes() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }
size_t ring_bytes(size_t wanted) { return std::bit_ceil(std::clamp(wanted, page_bytes(), size_t{1} << 30)); }

RingSizes sizes_of(const ProbeOptions& options) {
  const uint32_t cores = std::min(std::max(1u, std::thread::hardware_concurrency()), 16u);
  const uint32_t shards = options.shards != 0 ? options.shards : cores;
  return {.reserved_bytes = ring_bytes(options.reserved_ring_bytes),
          .shard_bytes = ring_bytes(options.shard_ring_bytes),
          .shards = std::bit_ceil(std::min(shards, shards_max))};
}

// A ring and the pages it is seen through: one that we write, one that the kernel writes, then the data, twice.
struct MappedRing {
  Mapping consumer;
  Mapping producer;
  Ring ring;

  static Result<MappedRing> of(int fd, size_t size) {
    Mapping consumer = TRY(Mapping::of(fd, page_bytes(), 0, true));
    Mapping producer = TRY(Mapping::of(fd, page_bytes() + 2 * size, static_cast<off_t>(page_bytes()), false));
    const Ring ring(consumer.as<unsigned long>(), producer.as<const unsigned long>(),
                    producer.as<const std::byte>() + page_bytes(), size);
    return MappedRing{std::move(consumer), std::move(producer), ring};
  }
};

Result<Mapping> map_array(const KernelObject& object, const std::string& name, size_t value_bytes, bool writable) {
  const size_t bytes = object.entries(name) * ((value_bytes + 7) & ~size_t{7});
  auto mapping = Mapping::of(object.map(name), (bytes + page_bytes() - 1) & ~(page_bytes() - 1), 0, writable);
  if (!mapping) return mapping.error().in("BPF map " + name);
  return mapping;
}

// What else is ours, for the watch over it.
KernelSource::Ids ids_of(const std::optional<SequenceObject>& sequence) {
  KernelSource::Ids ids;
  if (!sequence) return ids;
  for (const auto& [name, id] : sequence->programs()) ids.programs.push_back(id);
  ids.maps = sequence->own_maps();
  ids.links = sequence->links();
  return ids;
}

}  // namespace

struct KernelSource::Impl {
  ProbeOptions options;
  RingSizes sizes;
  Features features;
  uint64_t generation = 1;
  std::unique_ptr<KernelObject> object;
  std::optional<SequenceObject> sequence;  // one for all generations
  mutable std::mutex object_lock;          // counters() against reload()
  std::vector<MappedRing> rings;           // the reserved one first
  std::unique_ptr<Mapping> counters;
  std::unique_ptr<Mapping> asleep;
  std::shared_ptr<ObjectWatch> objects;   // null when the filter names none
  std::shared_ptr<ObjectWatch> follower;  // the same, of whoever polls
  uint32_t cpus = 0;
  Fd epoll;
  std::unique_ptr<Merge> merge;
  std::atomic<uint64_t> damaged{0};
  bool busy = false;  // the last poll found something
  uint64_t last_drain_ns = 0;
  uint64_t seed = 0;  // one for all generations: what is kept at a call's entry may be read by the next one

  Result<FilterTables> tables_of(const FilterSpec& spec) const {
    return filter_tables(spec, {.self_tgid = options.self_tgid,
                                .shards = sizes.shards,
                                .privilege_room = sizes.reserved_bytes / 2,
                                .budget_per_s = options.budget_per_s,
                                .budget_burst = options.budget_burst,
                                .seed = seed});
  }
  static std::optional<SequenceObject> start_sequence(const SequenceOptions& wanted, const KernelObject& object,
                                                      const Impl& impl, Features& features);
  Result<void> map_rings();
  static Result<std::shared_ptr<ObjectWatch>> start_objects(const KernelObject& object, const FilterSpec& filter);
  size_t drain(const RecordCallback& callback);
  /// Whether the programs are to wake us. They look before they write their record, so one that looks while this
  /// changes may not: what it wrote is found by the next look at the rings, whatever that is for.
  void set_asleep(bool sleeps) { __atomic_store_n(asleep->as<uint64_t>(), sleeps ? 1 : 0, __ATOMIC_SEQ_CST); }
};

Result<void> KernelSource::Impl::map_rings() {
  epoll = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return errno_error("epoll");
  const auto add = [&](int fd, size_t size) -> Result<void> {
    auto ring = MappedRing::of(fd, size);
    if (!ring) return ring.error().in("BPF ring");
    rings.push_back(std::move(ring).value());
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return errno_error("epoll on a BPF ring");
    return {};
  };
  TRY_VOID(add(object->map("reserved"), sizes.reserved_bytes));
  for (const Fd& shard : object->shard_rings()) TRY_VOID(add(shard.get(), sizes.shard_bytes));
  std::vector<Ring> views;
  for (const MappedRing& ring : rings) views.push_back(ring.ring);
  merge = std::make_unique<Merge>(std::move(views));
  cpus = object->entries("counters");
  counters = std::make_unique<Mapping>(TRY(map_array(*object, "counters", sizeof(shrike_counters), false)));
  asleep = std::make_unique<Mapping>(TRY(map_array(*object, "asleep", sizeof(uint64_t), true)));
  return {};
}

Result<std::shared_ptr<ObjectWatch>> KernelSource::Impl::start_objects(const KernelObject& object,
                                                                       const FilterSpec& filter) {
  if (filter.objects.empty()) return std::shared_ptr<ObjectWatch>();
  Settings settings = TRY(object.settings());
  return std::make_shared<ObjectWatch>(TRY(ObjectWatch::start(std::move(settings), filter.objects)));
}

KernelSource::KernelSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelSource::KernelSource(KernelSource&&) noexcept = default;
KernelSource& KernelSource::operator=(KernelSource&&) noexcept = default;
KernelSource::~KernelSource() = default;

// Beside the rest, and never needed: a kernel that refuses it loses only this.
std::optional<SequenceObject> KernelSource::Impl::start_sequence(const SequenceOptions& wanted,
                                                                 const KernelObject& object, const Impl& impl,
                                                                 Features& features) {
  if (wanted.mode == SequenceMode::off) return std::nullopt;
  const auto map_of = [&](const std::string& name) { return object.map(name); };
  auto loaded = SequenceObject::load(wanted, impl.sizes.shards, impl.options.self_tgid, map_of, features.notes);
  if (loaded.ok())
    if (const auto attached = loaded->attach(); !attached.ok()) loaded = attached.error();
  if (!loaded.ok()) {
    features.notes.push_back("no sequence scoring: " + loaded.error().message);
    return std::nullopt;
  }
  features.sequence = true;
  return std::move(loaded).value();
}

Result<KernelSource> KernelSource::open(const ProbeOptions& options, const FilterSpec& filter) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  if (options.self_tgid == 0) impl->options.self_tgid = static_cast<uint32_t>(::getpid());
  impl->sizes = sizes_of(options);
  if (::getrandom(&impl->seed, sizeof impl->seed, 0) != sizeof impl->seed) return errno_error("getrandom");
  const FilterTables tables = TRY(impl->tables_of(filter));
  impl->object = std::make_unique<KernelObject>(
      TRY(KernelObject::load(tables, impl->generation, impl->sizes, nullptr, impl->features)));
  TRY_VOID(impl->map_rings());
  impl->objects = TRY(Impl::start_objects(*impl->object, filter));
  impl->sequence = Impl::start_sequence(impl->options.sequence, *impl->object, *impl, impl->features);
  impl->options.sequence.known = {};
  TRY_VOID(impl->object->attach(impl->features, ids_of(impl->sequence)));
  impl->set_asleep(true);
  const Settings settings = TRY(impl->object->settings());
  TRY_VOID(settings.set(SHRIKE_ACTIVE_GENERATION, impl->generation));
  ::malloc_trim(0);  // the kernel's type information was read, some ten megabytes, and is not needed any more
  return KernelSource(std::move(impl));
}

Result<void> KernelSource::reload(const FilterSpec& filter, const SequenceOptions* sequence) {
  const FilterTables tables = TRY(impl_->tables_of(filter));
  Features features;
  const uint64_t next = impl_->generation + 1;
  auto object = std::make_unique<KernelObject>(
      TRY(KernelObject::load(tables, next, impl_->sizes, impl_->object.get(), features)));
  auto objects = TRY(Impl::start_objects(*object, filter));
  std::optional<SequenceObject> scoring;
  if (sequence != nullptr) scoring = Impl::start_sequence(*sequence, *object, *impl_, features);
  const auto& goes_on = sequence != nullptr ? scoring : impl_->sequence;
  features.sequence = goes_on.has_value();
  TRY_VOID(object->attach(features, ids_of(goes_on)));
  // Both generations run now and the old one reports; after this store, the new one.
  const Settings settings = TRY(object->settings());
  TRY_VOID(settings.set(SHRIKE_ACTIVE_GENERATION, next));
  {
    const std::lock_guard lock(impl_->object_lock);
    impl_->generation = next;
    impl_->features = std::move(features);
    std::swap(impl_->object, object);
    std::swap(impl_->objects, objects);
    if (sequence != nullptr) std::swap(impl_->sequence, scoring);
  }
  object.reset();
  ::malloc_trim(0);
  return {};
}

size_t KernelSource::Impl::drain(const RecordCallback& callback) {
  last_drain_ns = boot_now_ns();
  bool renamed = false;
  const size_t count = merge->drain(last_drain_ns, [&](std::span<const std::byte> record) {
    renamed = renamed || may_replace(record);
    callback(record);
  });
  if (renamed && follower != nullptr) follower->hint();
  damaged.store(merge->damaged(), std::memory_order_relaxed);
  return count;
}

Result<size_t> KernelSource::poll(std::chrono::milliseconds timeout, const RecordCallback& callback) {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.object_lock);
    impl.follower = impl.objects;
  }
  if (impl.follower != nullptr) impl.follower->follow(objects_period);
  if (impl.busy) {
    // Under load: let some gather, so that neither we nor the programs pay for a wake-up for each.
    const auto gather = static_cast<uint64_t>(std::chrono::nanoseconds(impl.options.gather).count());
    if (const uint64_t since = boot_now_ns() - impl.last_drain_ns; since < gather) {
      const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(std::min<uint64_t>(gather - since, 999'999'999))};
      ::clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
    if (const size_t count = impl.drain(callback); count != 0) return count;
    impl.busy = false;
    impl.set_asleep(true);
  }
  // Asleep already, so that whatever comes between this look and the wait wakes us.
  size_t count = impl.drain(callback);
  int ready = 0;
  if (count == 0) {
    epoll_event event;
    ready = ::epoll_wait(impl.epoll.get(), &event, 1, static_cast<int>(timeout.count()));
    if (ready < 0 && errno != EINTR) return errno_error("epoll_wait");
    if (ready > 0) count = impl.drain(callback);
  }
  if (count != 0) impl.set_asleep(false);
  // Also when what is there is still being written, and nothing comes out: the next call then waits a moment first.
  impl.busy = count != 0 || ready > 0;
  return count;
}

int KernelSource::epoll_fd() const { return impl_->epoll.get(); }

Result<size_t> KernelSource::prime(const RecordCallback& callback) {
  const Fd tasks = TRY(impl_->object->iterate_tasks());
  std::vector<std::byte> buffer(4 * SHRIKE_RECORD_MAX);
  size_t have = 0;
  size_t count = 0;
  for (;;) {
    const ssize_t n = ::read(tasks.get(), buffer.data() + have, buffer.size() - have);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return errno_error("task iterator");
    if (n == 0) break;
    have += static_cast<size_t>(n);
    size_t at = 0;
    for (uint32_t size = 0; have - at >= sizeof size; at += size) {
      std::memcpy(&size, buffer.data() + at, sizeof size);
      if (size < sizeof(shrike_record) || size > SHRIKE_RECORD_MAX)
        return Error{"task iterator: a record of " + std::to_string(size) + " bytes"};
      if (have - at < size) break;
      callback({buffer.data() + at, size});
      ++count;
    }
    std::memmove(buffer.data(), buffer.data() + at, have - at);
    have -= at;
  }
  if (have != 0) return Error{"task iterator: ends in the middle of a record"};
  return count;
}

Result<void> KernelSource::set_deny(Deny mode) {
  const std::lock_guard lock(impl_->object_lock);
  const Settings settings = TRY(impl_->object->settings());
  return settings.set(SHRIKE_ACTIVE_DENY, static_cast<uint64_t>(mode));
}

Counters KernelSource::counters() const {
  Counters out;
  const auto* per_cpu = impl_->counters->as<const shrike_counters>();
  const auto read = [](const __u64& counter) { return __atomic_load_n(&counter, __ATOMIC_RELAXED); };
  std::array<uint64_t, std::size(program_names)> runs{};
  for (uint32_t cpu = 0; cpu < impl_->cpus; ++cpu) {
    for (size_t i = 0; i < event_class_count; ++i) {
      out.events[i] += read(per_cpu[cpu].sent[i]);
      for (size_t cause = 0; cause < loss_count; ++cause) out.lost[i][cause] += read(per_cpu[cpu].lost[i][cause]);
    }
    for (size_t i = 0; i < runs.size(); ++i) runs[i] += read(per_cpu[cpu].runs[i]);
    out.self += read(per_cpu[cpu].self);
  }
  out.ring_damage = impl_->damaged.load(std::memory_order_relaxed);
  const std::lock_guard lock(impl_->object_lock);
  for (size_t i = 0; i < runs.size(); ++i)
    if (const uint32_t id = impl_->object->program_id(program_names[i]); id != 0)
      out.programs.push_back({.name = program_names[i], .id = id, .runs = runs[i]});
  for (const MappedRing& ring : impl_->rings)
    out.rings.push_back({.size_bytes = ring.ring.size(), .used_bytes = ring.ring.produced() - ring.ring.consumed()});
  return out;
}

Features KernelSource::features() const {
  const std::lock_guard lock(impl_->object_lock);
  return impl_->features;
}

std::vector<SequenceProfile> KernelSource::sequence_profiles() const {
  const std::lock_guard lock(impl_->object_lock);
  return impl_->sequence ? impl_->sequence->profiles() : std::vector<SequenceProfile>();
}

SequenceCounters KernelSource::sequence_counters() const {
  const std::lock_guard lock(impl_->object_lock);
  return impl_->sequence ? impl_->sequence->counters() : SequenceCounters();
}

KernelSource::Ids KernelSource::ids() const {
  const std::lock_guard lock(impl_->object_lock);
  return impl_->object->ids();
}

}  // namespace shrike::probe
