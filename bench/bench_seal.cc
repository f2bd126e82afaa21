// From an event to a sealed batch in the spool, step by step: ns an event each ("items" are events).
// link: shrike_ship shrike_wire

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "agent/ship/sealer.h"
#include "common/wire/codec.h"

namespace {
using namespace shrike;

// A mix like a build host's: opens of ever other files, some connects, and whole tasks at exec and exit.
class Load {
 public:
  explicit Load(size_t count) {
    static constexpr const char* folders[] = {"/usr/include/x86_64-linux-gnu/bits", "/home/user/project/src/module",
                                              "/usr/lib/python3/dist-packages/yaml", "/var/lib/dpkg/info", "/etc"};
    std::mt19937 random(1);
    texts_.reserve(3 * count);
    events_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      const auto process = static_cast<uint32_t>(random() % 200);
      Event e;
      e.time_ns = 1795163940000000000 + i * 3000 + random() % 1000;
      e.task.pid = e.task.tid = 10000 + process;
      e.task.start_ns = 5000000000000 + process * 7919000;
      e.task.cgroup_id = 4242;
      e.task.ppid = 9000 + process % 7;
      e.task.uid = e.task.gid = e.task.euid = e.task.egid = e.task.suid = e.task.sgid = process % 3 == 0 ? 0 : 1000;
      e.task.cap_effective = e.task.uid == 0 ? 0x1ffffffffffu : 0;
      e.task.ns_mnt = e.task.ns_pid = e.task.ns_net = 4026531840u;
      e.task.comm = {'c', 'c', '1', 'p', 'l', 'u', 's'};
      const uint32_t what = static_cast<uint32_t>(random() % 20);
      if (what == 0) {
        e.kind = EventKind::exec;
        e.path.text = text("/usr/bin/x86_64-linux-gnu-g++-12");
        e.real_path = e.path.text;
        e.path2.text = text(std::string("g++\0-O2\0-c\0", 11) + "module" + std::to_string(random() % 500) + ".cc");
        e.cwd = text("/home/user/project");
        e.object.inode = 123456 + random() % 100;
        e.object.mtime_ns = 1700000000000000000;
      } else if (what < 3) {
        e.kind = EventKind::connect;
        e.socket = {{10, 0, 0, 5}, {10, 0, 1, static_cast<uint8_t>(random())}, 2, 1, 6, 0, 443, 0, 0};
        e.socket.local_port = static_cast<uint16_t>(random());
      } else {
        e.kind = EventKind::open;
        e.path.text = text(std::string(folders[random() % 5]) + "/file" + std::to_string(random() % 3000) + ".h");
        e.real_path = e.path.text;
        e.full_path = e.path.text;
        e.result = static_cast<int64_t>(random() % 30);
        e.arg = {0xffffff9c, 0, 0x80000};
        e.object.inode = 500000 + random() % 100000;
        e.object.device = 254 << 20 | 1;
        e.object.mode = 0100644;
      }
      events_.push_back(e);
    }
  }
  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] std::vector<std::string> encoded() const {
    std::vector<std::string> all;
    for (const Event& event : events_) encode_event(event, all.emplace_back());
    return all;
  }

 private:
  std::string_view text(std::string value) { return texts_.emplace_back(std::move(value)); }
  std::vector<std::string> texts_;
  std::vector<Event> events_;
};

const Load& load() {
  static const Load made(20000);
  return made;
}

void count_items(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations());
  state.counters["ns_per_event"] = benchmark::Counter(static_cast<double>(state.iterations()) * 1e-9,
                                                      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void encode(benchmark::State& state) {
  std::string out;
  size_t i = 0;
  for (auto _ : state) {
    out.clear();
    encode_event(load().events()[i++ % load().events().size()], out);
    benchmark::DoNotOptimize(out.data());
  }
  count_items(state);
}
BENCHMARK(encode);

void leaf(benchmark::State& state) {
  const auto encoded = load().encoded();
  size_t i = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const std::string& event = encoded[i++ % encoded.size()];
    bytes += event.size();
    benchmark::DoNotOptimize(merkle_leaf(event));
  }
  count_items(state);
  state.counters["bytes_per_event"] = static_cast<double>(bytes) / static_cast<double>(state.iterations());
}
BENCHMARK(leaf);

/// As sealing does it: two at a time.
void leaves(benchmark::State& state) {
  const auto encoded = load().encoded();
  const std::vector<std::string_view> events(encoded.begin(), encoded.begin() + 2000);
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(events.size())))
    benchmark::DoNotOptimize(merkle_leaves(events));
  count_items(state);
}
BENCHMARK(leaves);

void root(benchmark::State& state) {
  std::vector<Digest> leaves(static_cast<size_t>(state.range(0)));
  for (size_t i = 0; i < leaves.size(); ++i) leaves[i] = sha256(std::to_string(i));
  while (state.KeepRunningBatch(state.range(0))) benchmark::DoNotOptimize(merkle_root(leaves));
  count_items(state);
}
BENCHMARK(root)->Arg(2000);

/// add + seal for payloads of range(0) KiB; what add costs besides the leaf, compression and signature are in it.
void seal(benchmark::State& state) {
  const auto encoded = load().encoded();
  const PrivateKey key = PrivateKey::generate();
  const auto payload = static_cast<size_t>(state.range(0)) << 10;
  BatchBuilder builder(Lane::telemetry);
  BatchHeader header;
  header.node = "web-1";
  Digest hash;
  size_t i = 0;
  size_t raw = 0;
  size_t sent = 0;
  for (auto _ : state) {
    builder.add(encoded[i % encoded.size()], i);
    ++i;
    if (builder.payload_bytes() < payload) continue;
    raw += builder.payload_bytes();
    sent += builder.seal(header, key, hash).size();
  }
  count_items(state);
  state.counters["ratio"] = static_cast<double>(raw) / static_cast<double>(sent);
}
BENCHMARK(seal)->Arg(64)->Arg(128)->Arg(256);

void event_to_spool(benchmark::State& state) {
  std::string folder = std::filesystem::temp_directory_path() / "bench_sealXXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no temporary folder");
  {
    ship::SpoolOptions options;
    options.state_dir = folder;
    options.max_bytes = 256u << 20;
    auto spool = ship::Spool::open(options, {"web-1", PrivateKey::generate(), "bench"});
    if (!spool) return state.SkipWithError(spool.error().message.c_str());
    ship::Sealer::Time now{};
    ship::Sealer sealer(**spool, {}, now);
    size_t i = 0;
    for (auto _ : state) {
      if (!sealer.add(load().events()[i++ % load().events().size()])) return state.SkipWithError("add failed");
      if (i % 512 == 0 && !sealer.tick(now += std::chrono::microseconds(500)))
        return state.SkipWithError("tick failed");
    }
    count_items(state);
    state.counters["bytes_per_event"] = static_cast<double>(sealer.counters().sealed_bytes) / static_cast<double>(i);
  }
  std::filesystem::remove_all(folder);
}
BENCHMARK(event_to_spool);

void sign(benchmark::State& state) {
  const PrivateKey key = PrivateKey::generate();
  for (auto _ : state) benchmark::DoNotOptimize(key.sign("shrike batch signature v1 and thirty-two bytes more"));
}
BENCHMARK(sign);

void open_and_verify(benchmark::State& state) {
  const auto encoded = load().encoded();
  const PrivateKey key = PrivateKey::generate();
  BatchBuilder builder(Lane::telemetry);
  size_t count = 0;
  while (builder.payload_bytes() < 64u << 10) builder.add(encoded[count++], 1);
  BatchHeader header;
  header.node = "web-1";
  header.seq = 1;
  Digest hash;
  const std::string bytes = builder.seal(header, key, hash);
  const PublicKey public_key = key.public_key();
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count))) {
    const auto batch = open_batch(bytes);
    if (!batch || !verify_signature(*batch, public_key) || !open_payload(*batch)) return state.SkipWithError("refused");
  }
  count_items(state);
}
BENCHMARK(open_and_verify);

}  // namespace
