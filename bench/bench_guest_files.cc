// What the guest's files cost: to make them for a job, to follow a path, to read, write and wait.
//
// link: shrike_vm_files
#include <benchmark/benchmark.h>
#include <fcntl.h>

#include "sandbox/microvm/files/furniture.h"
#include "sandbox/microvm/files/guest_view.h"
#include "sandbox/microvm/files/objects.h"
#include "sandbox/microvm/files/socket.h"

namespace {

using namespace shrike::sandbox::microvm;

class View final : public GuestView {
 public:
  [[nodiscard]] uint32_t current_process() const override { return 1; }
  [[nodiscard]] uint32_t current_thread() const override { return 1; }
  [[nodiscard]] std::vector<uint32_t> processes() const override { return {1}; }
  [[nodiscard]] std::optional<ProcessFacts> facts(uint32_t) const override { return ProcessFacts{}; }
  [[nodiscard]] std::string argv(uint32_t) const override { return {}; }
  [[nodiscard]] std::string environ(uint32_t) const override { return {}; }
  [[nodiscard]] std::string maps(uint32_t) const override { return {}; }
  [[nodiscard]] NodePtr exe(uint32_t) const override { return nullptr; }
  [[nodiscard]] std::optional<Place> place(uint32_t) const override { return std::nullopt; }
  [[nodiscard]] std::vector<int> descriptors(uint32_t) const override { return {}; }
  [[nodiscard]] FilePtr descriptor(uint32_t, int) const override { return nullptr; }
};

std::unique_ptr<Tree> tree() {
  std::vector<std::pair<std::string, std::string>> entries{{"/lib", "->usr/lib"}};
  for (int i = 0; i < 3000; ++i)
    entries.emplace_back("/usr/lib/x86_64-linux-gnu/lib" + std::to_string(i) + ".so", "ELF");
  return memory_tree(entries);
}

struct Guest {
  FileSystem files{tree(), {.bytes = 1u << 30}, [] { return uint64_t{1}; }};
  View view;
  Place place{files.root(), files.root(), {}};
  FilePtr open(std::string_view path, int flags) {
    FilePtr file;
    if (files.open_at(place, nullptr, path, flags, 0644, file) < 0) std::abort();
    return file;
  }
};

void furnish_and_mount(benchmark::State& state) {
  View view;
  for (auto _ : state) {
    FileSystem files(empty_tree(), {}, [] { return uint64_t{1}; });
    furnish(files, "host", 1);
    mount_proc(files, view);
  }
}
BENCHMARK(furnish_and_mount)->Unit(benchmark::kMicrosecond);

void first_look_into_a_folder_of_3000(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    auto guest = std::make_unique<Guest>();
    state.ResumeTiming();
    Found found;
    if (guest->files.resolve(guest->place, nullptr, "/lib/x86_64-linux-gnu/lib7.so", true, found) < 0) std::abort();
    state.PauseTiming();
    guest.reset();
    state.ResumeTiming();
  }
}
BENCHMARK(first_look_into_a_folder_of_3000)->Unit(benchmark::kMicrosecond);

void resolve_through_a_link(benchmark::State& state) {
  Guest guest;
  Found found;
  for (auto _ : state) {
    guest.files.resolve(guest.place, nullptr, "/lib/x86_64-linux-gnu/lib7.so", true, found);
    benchmark::DoNotOptimize(found.node);
  }
}
BENCHMARK(resolve_through_a_link);

void write_then_read_4_kib(benchmark::State& state) {
  Guest guest;
  const FilePtr file = guest.open("/f", O_CREAT | O_RDWR);
  std::array<std::byte, 4096> bytes{};
  for (auto _ : state) {
    file->write(bytes, 4096);
    file->read(bytes, 4096);
  }
  state.SetBytesProcessed(state.iterations() * 8192);
}
BENCHMARK(write_then_read_4_kib);

void append_4_kib(benchmark::State& state) {
  Guest guest;
  FilePtr file = guest.open("/f", O_CREAT | O_RDWR);
  std::array<std::byte, 4096> bytes{};
  for (auto _ : state)
    if (file->write(bytes, std::nullopt) < 0) file->truncate(0);
  state.SetBytesProcessed(state.iterations() * 4096);
}
BENCHMARK(append_4_kib);

void pipe_there_and_back(benchmark::State& state) {
  Guest guest;
  FilePtr reader, writer;
  if (make_pipe(guest.files.store(), 0, reader, writer) < 0) std::abort();
  std::array<std::byte, 512> bytes{};
  for (auto _ : state) {
    writer->write(bytes, std::nullopt);
    reader->read(bytes, std::nullopt);
  }
}
BENCHMARK(pipe_there_and_back);

void socket_there_and_back(benchmark::State& state) {
  Guest guest;
  const auto world = make_sockets(guest.files, {shrike::sandbox::Network::sink, [](int) { return uint64_t{1}; }, {}});
  std::shared_ptr<Socket> first, second;
  if (world->make_pair(1, 1, 1, 0, first, second) < 0) std::abort();
  std::array<std::byte, 512> bytes{};
  for (auto _ : state) {
    first->write(bytes, std::nullopt);
    second->read(bytes, std::nullopt);
  }
}
BENCHMARK(socket_there_and_back);

void proc_self_status(benchmark::State& state) {
  Guest guest;
  mount_proc(guest.files, guest.view);
  std::array<std::byte, 4096> bytes{};
  for (auto _ : state) guest.open("/proc/self/status", O_RDONLY)->read(bytes, std::nullopt);
}
BENCHMARK(proc_self_status);

}  // namespace
