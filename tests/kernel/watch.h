#pragma once
// The probe as a test uses it: what is wanted in, one's own event out, waited for with a deadline.

#include <unistd.h>

#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/probe/decode.h"
#include "agent/probe/kernel_source.h"
#include "common/base/clock.h"
#include "tests/require.h"

namespace shrike::test {

/// A record that came, and the event in it.
class Seen {
 public:
  explicit Seen(std::span<const std::byte> record) : bytes_(record.begin(), record.end()) {
    valid_ = decoder_.decode(bytes_, event_).ok();
  }
  const Event* operator->() const { return &event_; }
  const Event& operator*() const { return event_; }
  [[nodiscard]] bool valid() const { return valid_; }

 private:
  std::vector<std::byte> bytes_;
  probe::Decoder decoder_{wall_offset_ns()};
  Event event_;
  bool valid_ = false;
};

/// Everything of `kinds` (and whatever else `spec` asks for) from its creation on. File and network events of this very
/// process are seen too: self_tgid is set to one that cannot be.
class Watch {
 public:
  /// Can BPF programs be loaded here at all?
  static bool possible() { return ::geteuid() == 0 && ::access("/sys/kernel/btf/vmlinux", R_OK) == 0; }

  explicit Watch(std::initializer_list<EventKind> kinds, FilterSpec spec = all_paths(),
                 probe::ProbeOptions options = {}) {
    for (const EventKind kind : kinds) spec.kinds.set(static_cast<size_t>(kind));
    if (options.self_tgid == 0) options.self_tgid = UINT32_MAX;
    auto source = probe::KernelSource::open(options, spec);
    if (source.ok())
      source_ = std::make_unique<probe::KernelSource>(std::move(source).value());
    else
      ADD_FAILURE() << source.error().message;
  }

  static FilterSpec all_paths() {
    FilterSpec spec;
    spec.any_path = access_all;
    return spec;
  }

  using Wanted = std::function<bool(const Event&)>;
  /// The first event, of all that came since the last forget(), that is as wanted; polls until it is there. Null, and a
  /// test failure, when it is not there after ten seconds.
  const Seen* expect(const std::string& what, const Wanted& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    size_t next = 0;
    while (source_ != nullptr) {
      for (; next < seen_.size(); ++next)
        if (wanted(**seen_[next])) return seen_[next].get();
      if (std::chrono::steady_clock::now() > deadline) break;
      poll();
    }
    ADD_FAILURE() << "no event came: " << what;
    for (const auto& seen : seen_)
      std::printf("  came: %s by %u result %ld path '%s'\n", std::string(kind_name((*seen)->kind)).c_str(),
                  (*seen)->task.pid, static_cast<long>((*seen)->result), std::string((*seen)->path.text).c_str());
    return nullptr;
  }
  /// The same for an event of this kind, made by this process.
  const Seen* expect_own(
      EventKind kind, const Wanted& wanted = [](const Event&) { return true; }) {
    return expect(std::string(kind_name(kind)), [&](const Event& event) {
      return event.kind == kind && event.task.pid == static_cast<uint32_t>(::getpid()) && wanted(event);
    });
  }
  /// How many of all that came since the last forget() are as wanted, after what is there now was taken.
  size_t count(const Wanted& wanted) {
    poll();
    poll();
    size_t n = 0;
    for (const auto& seen : seen_) n += wanted(**seen) ? 1 : 0;
    return n;
  }
  /// The same of this process's own: on a watched host there is always somebody else.
  size_t count_own(const Wanted& wanted) {
    return count([&](const Event& e) { return e.task.pid == static_cast<uint32_t>(::getpid()) && wanted(e); });
  }
  void forget() { seen_.clear(); }

  void poll() {
    const auto polled = source_->poll(std::chrono::milliseconds(20), [&](std::span<const std::byte> record) {
      seen_.push_back(std::make_unique<Seen>(record));
      EXPECT_TRUE(seen_.back()->valid());
    });
    EXPECT_TRUE(polled.ok());
  }
  [[nodiscard]] bool open() const { return source_ != nullptr; }
  probe::KernelSource& source() { return *source_; }

 private:
  std::unique_ptr<probe::KernelSource> source_;
  std::vector<std::unique_ptr<Seen>> seen_;
};

}  // namespace shrike::test
