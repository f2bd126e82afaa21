#include "sandbox/process/ebpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <array>
#include <cstdarg>
#include <cstring>
#include <utility>

#include "bpf/sandbox/shrike_sandbox.h"
#include "sandbox/call_texts.h"
#include "sandbox/process/trace_record.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "bpf/sandbox.skel.h"
#include "bpf/sandbox_sink.skel.h"
#pragma GCC diagnostic pop

namespace shrike::sandbox::process {

namespace {

constexpr uint32_t ring_bytes = 8u << 20;
constexpr int at_once = 16'384;  // records of one round

int say_nothing(libbpf_print_level, const char*, va_list) { return 0; }

sandbox_call_plan plan_of(int number) {
  sandbox_call_plan plan{};
  size_t at = 0;
  for (const auto& text : text_plans(number)) {
    if (at == SANDBOX_TEXTS) break;
    plan.text[at++] = {static_cast<uint8_t>(text.how),  text.argument, text.length_argument,
                       static_cast<uint8_t>(text.kind), text.most,     0};
  }
  return plan;
}

/// What one sandbox at a time has of it.
struct Slot {
  Fd ring;
  sandbox_sink_bpf* sink = nullptr;
  std::string no_sink;

  Slot() = default;
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  ~Slot() { sandbox_sink_bpf__destroy(sink); }
};

}  // namespace

struct EbpfTrace::Impl {
  sandbox_bpf* skeleton = nullptr;
  sandbox_slot* shared = nullptr;  // the map `slots`, in our memory
  std::array<Slot, slots> slot;
  bpf_link* on_enter = nullptr;  // while jobs run
  bpf_link* on_exit = nullptr;

  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    bpf_link__destroy(on_enter);
    bpf_link__destroy(on_exit);
    if (shared != nullptr) ::munmap(shared, sizeof(sandbox_slot) * SANDBOX_SLOTS);
    sandbox_bpf__destroy(skeleton);
  }
};

static_assert(EbpfTrace::slots == SANDBOX_SLOTS);

namespace {

class EbpfTracer final : public Tracer {
 public:
  static Result<std::unique_ptr<EbpfTracer>> open(EbpfTrace::Impl& trace, unsigned slot, Sandbox& sandbox) {
    std::unique_ptr<EbpfTracer> tracer(new EbpfTracer(trace, slot, sandbox.cgroup().id()));
    if (tracer->cgroup_ == 0) return Error{"no control group of version 2: no eBPF trace"};
    tracer->ring_ = ::ring_buffer__new(trace.slot[slot].ring.get(), &EbpfTracer::take, tracer.get(), nullptr);
    if (tracer->ring_ == nullptr) return errno_error("eBPF trace: ring");
    // What the last one of this slot has left, if it was killed.
    tracer->discard_ = true;
    ::ring_buffer__consume(tracer->ring_);
    tracer->discard_ = false;
    trace.shared[slot] = {};
    trace.shared[slot].init_tgid = static_cast<uint32_t>(sandbox.init_pid());
    const uint32_t value = slot;
    if (::bpf_map_update_elem(bpf_map__fd(trace.skeleton->maps.jobs), &tracer->cgroup_, &value, BPF_ANY) != 0)
      return errno_error("eBPF trace: job");
    return tracer;
  }
  void judge_by(const Policy& policy) { policy_ = &policy; }
  EbpfTracer(const EbpfTracer&) = delete;
  EbpfTracer& operator=(const EbpfTracer&) = delete;
  ~EbpfTracer() override {
    if (cgroup_ != 0) ::bpf_map_delete_elem(bpf_map__fd(trace_.skeleton->maps.jobs), &cgroup_);
    ::ring_buffer__free(ring_);
  }

  [[nodiscard]] std::string_view name() const override { return "ebpf"; }
  [[nodiscard]] int fd() const override { return ::ring_buffer__epoll_fd(ring_); }
  [[nodiscard]] uint64_t began_ns() const override { return began_ns_; }
  void read(CallSink& calls) override {
    out_ = &calls;
    taken_ = 0;
    ::ring_buffer__consume(ring_);
  }
  uint64_t finish(CallSink& calls) override {
    do read(calls);
    while (taken_ >= at_once);
    const auto& slot = const_cast<const volatile sandbox_slot&>(trace_.shared[slot_]);
    return order_.finish(slot.seq, calls) + slot.untraced;
  }

 private:
  EbpfTracer(EbpfTrace::Impl& trace, unsigned slot, uint64_t cgroup) : trace_(trace), slot_(slot), cgroup_(cgroup) {}

  static int take(void* self, void* data, size_t size) {
    auto& tracer = *static_cast<EbpfTracer*>(self);
    if (tracer.discard_) return 0;
    // Who fills the ring as fast as we empty it must not keep us: an error ends this round behind this record.
    const int go_on = ++tracer.taken_ < at_once ? 0 : -EAGAIN;
    auto call = decode_record({static_cast<const std::byte*>(data), size});
    if (!call) return go_on;  // its number stays missing: counted as lost
    if (call->kind == CallKind::exec && tracer.began_ns_ == 0) tracer.began_ns_ = call->time_ns;
    if ((call->flags & call_denied) != 0) tracer.judge(*call);
    drop_needless_texts(*call);
    // A filter that kills leaves the call's number where its result would be.
    if ((call->flags & call_denied) != 0 && tracer.policy_->profile() == Profile::strict) {
      call->flags |= call_no_return;
      call->result = -EPERM;
    }
    tracer.order_.add(std::move(*call), *tracer.out_);
    return go_on;
  }

  /// The filter answers all that is not allowed; only some of it was refused.
  void judge(Call& call) const {
    const Verdict verdict = policy_->evaluate(call.abi, call.number, call.args);
    if (verdict == Verdict::refuse) return;
    call.flags = static_cast<uint16_t>(call.flags & ~call_denied);
    if (verdict == Verdict::unknown) call.flags |= call_unknown;
  }

  EbpfTrace::Impl& trace_;
  unsigned slot_;
  const Policy* policy_ = nullptr;
  uint64_t cgroup_;
  ring_buffer* ring_ = nullptr;
  CallSink* out_ = nullptr;
  TraceOrder order_;
  bool discard_ = false;
  int taken_ = 0;  // in this round
  uint64_t began_ns_ = 0;
};

class EbpfSource final : public TracerSource {
 public:
  EbpfSource(EbpfTrace::Impl& trace, unsigned slot) : trace_(trace), slot_(slot) {}
  EbpfSource(const EbpfSource&) = delete;
  EbpfSource& operator=(const EbpfSource&) = delete;
  ~EbpfSource() override { bpf_link__destroy(link_); }

  Result<void> prepare(Sandbox& sandbox) override {
    tracer_ = TRY(EbpfTracer::open(trace_, slot_, sandbox));
    return {};
  }
  std::unique_ptr<Tracer> begin(const Policy& policy) override {
    tracer_->judge_by(policy);
    return std::move(tracer_);
  }
  [[nodiscard]] bool brings_ports() const override { return trace_.slot[slot_].sink != nullptr; }
  [[nodiscard]] std::string no_ports() const override { return trace_.slot[slot_].no_sink; }
  Result<void> bring_ports(Sandbox& sandbox, const std::vector<Fd>& sockets) override {
    sandbox_sink_bpf* sink = trace_.slot[slot_].sink;
    const int map = bpf_map__fd(sink->maps.sinks);
    // Without IPv6 there are but two.
    constexpr uint32_t both[] = {SANDBOX_TCP4, SANDBOX_TCP6, SANDBOX_UDP4, SANDBOX_UDP6};
    constexpr uint32_t four[] = {SANDBOX_TCP4, SANDBOX_UDP4};
    for (uint32_t key = 0; key < SANDBOX_SINKS; ++key) ::bpf_map_delete_elem(map, &key);
    for (size_t i = 0; i < sockets.size() && i < SANDBOX_SINKS; ++i) {
      const uint32_t key = sockets.size() == SANDBOX_SINKS ? both[i] : four[i % 2];
      const auto value = static_cast<uint64_t>(sockets[i].get());
      if (::bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0) return errno_error("sink: its sockets");
    }
    link_ = bpf_program__attach_netns(sink->progs.to_sink, sandbox.network_fd());
    if (link_ == nullptr) return errno_error("sink: its program");
    return {};
  }

 private:
  EbpfTrace::Impl& trace_;
  unsigned slot_;
  bpf_link* link_ = nullptr;
  std::unique_ptr<EbpfTracer> tracer_;
};

}  // namespace

EbpfTrace::EbpfTrace(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EbpfTrace::~EbpfTrace() = default;

Result<std::unique_ptr<EbpfTrace>> EbpfTrace::load() {
  ::libbpf_set_print(say_nothing);
  auto impl = std::make_unique<Impl>();
  impl->skeleton = sandbox_bpf__open();
  if (impl->skeleton == nullptr) return errno_error("eBPF trace");
  bpf_program__set_autoattach(impl->skeleton->progs.on_enter, false);
  bpf_program__set_autoattach(impl->skeleton->progs.on_exit, false);
  if (const int error = sandbox_bpf__load(impl->skeleton); error != 0)
    return errno_error("the eBPF trace cannot be loaded", -error);
  const int plans = bpf_map__fd(impl->skeleton->maps.plans);
  for (uint32_t number = 0; number < SANDBOX_NUMBERS; ++number) {
    const auto plan = plan_of(static_cast<int>(number));
    if (plan.text[0].how != 0 && ::bpf_map_update_elem(plans, &number, &plan, BPF_ANY) != 0)
      return errno_error("eBPF trace: plans");
  }
  static_cast<void>(::bpf_map_freeze(plans));
  void* shared = ::mmap(nullptr, sizeof(sandbox_slot) * SANDBOX_SLOTS, PROT_READ | PROT_WRITE, MAP_SHARED,
                        bpf_map__fd(impl->skeleton->maps.slots), 0);
  if (shared == MAP_FAILED) return errno_error("eBPF trace: slots");
  impl->shared = static_cast<sandbox_slot*>(shared);
  if (const int error = sandbox_bpf__attach(impl->skeleton); error != 0)
    return errno_error("the eBPF trace cannot be attached", -error);
  return std::unique_ptr<EbpfTrace>(new EbpfTrace(std::move(impl)));
}

Result<void> EbpfTrace::activate(bool active) {
  auto& trace = *impl_;
  if (!active) {
    bpf_link__destroy(std::exchange(trace.on_enter, nullptr));
    bpf_link__destroy(std::exchange(trace.on_exit, nullptr));
    return {};
  }
  if (trace.on_enter == nullptr) trace.on_enter = bpf_program__attach(trace.skeleton->progs.on_enter);
  if (trace.on_exit == nullptr) trace.on_exit = bpf_program__attach(trace.skeleton->progs.on_exit);
  if (trace.on_enter == nullptr || trace.on_exit == nullptr) return errno_error("the eBPF trace cannot be attached");
  return {};
}

Result<void> EbpfTrace::prepare(unsigned number) {
  if (number >= slots) return Error{"eBPF trace: no slot " + std::to_string(number)};
  Slot& slot = impl_->slot[number];
  if (slot.ring.valid()) return {};
  Fd ring(::bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sandbox_ring", 0, 0, ring_bytes, nullptr));
  if (!ring.valid()) return errno_error("eBPF trace: ring");
  const int fd = ring.get();
  if (::bpf_map_update_elem(bpf_map__fd(impl_->skeleton->maps.rings), &number, &fd, BPF_ANY) != 0)
    return errno_error("eBPF trace: rings");
  slot.ring = std::move(ring);
  slot.sink = sandbox_sink_bpf__open_and_load();
  if (slot.sink == nullptr) slot.no_sink = errno_error("the sink listens at the usual ports only").message;
  return {};
}

void EbpfTrace::release(unsigned number) {
  const int jobs = bpf_map__fd(impl_->skeleton->maps.jobs);
  uint64_t key = 0, next = 0;
  bool more = ::bpf_map_get_next_key(jobs, nullptr, &next) == 0;
  while (more) {
    key = next;
    more = ::bpf_map_get_next_key(jobs, &key, &next) == 0;
    uint32_t slot = 0;
    if (::bpf_map_lookup_elem(jobs, &key, &slot) == 0 && slot == number) ::bpf_map_delete_elem(jobs, &key);
  }
}

std::unique_ptr<TracerSource> EbpfTrace::source(unsigned slot) { return std::make_unique<EbpfSource>(*impl_, slot); }

}  // namespace shrike::sandbox::process
