#include "agent/probe/object_watch.h"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/probe/mapping.h"

namespace shrike::probe {
namespace {

using namespace std::chrono_literals;
// Between two looks: hints come in crowds, and no program may be half way through a table that is written again.
constexpr auto pause = 20ms;
constexpr auto end_patience = 1s;

size_t whole_pages(size_t bytes) {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

// Owned by the thread too: one that hangs in a dead file system must not keep the agent from ending.
struct ObjectWatch::State {
  State(Mapping given, ObjectResolver::Objects objects) : mapping(std::move(given)), resolver(std::move(objects)) {}

  Mapping mapping;
  ObjectResolver resolver;  // the thread's, once it runs
  std::optional<std::vector<ResolvedObject>> written;
  std::mutex lock;
  std::condition_variable changed;
  bool following = false, hinted = false, stopping = false, ended = false;

  void look();
  void run(std::chrono::milliseconds period);
};

// Into the table that does not count, which then does.
void ObjectWatch::State::look() {
  std::vector<ResolvedObject> now = resolver.resolve();
  if (written && *written == now) return;
  auto* tables = mapping.as<shrike_objects>();
  const __u32 next = __atomic_load_n(&tables[0].current, __ATOMIC_RELAXED) == 0 ? 1 : 0;
  fill_object_table(now, tables[next]);
  __atomic_store_n(&tables[0].current, next, __ATOMIC_SEQ_CST);
  written = std::move(now);
}

void ObjectWatch::State::run(std::chrono::milliseconds period) {
  std::unique_lock held(lock);
  while (!stopping) {
    changed.wait_for(held, period, [&] { return hinted || stopping; });
    if (stopping) break;
    hinted = false;
    held.unlock();
    look();
    std::this_thread::sleep_for(pause);
    held.lock();
  }
  ended = true;
  changed.notify_all();
}

Result<ObjectWatch> ObjectWatch::start(int map, ObjectResolver::Objects objects) {
  static_assert(sizeof(shrike_objects) % 8 == 0);
  auto mapping = Mapping::of(map, whole_pages(2 * sizeof(shrike_objects)), 0, true);
  if (!mapping) return mapping.error().in("BPF map objects");
  auto state = std::make_shared<State>(std::move(mapping).value(), std::move(objects));
  state->look();
  return ObjectWatch(std::move(state));
}

ObjectWatch::ObjectWatch(std::shared_ptr<State> state) : state_(std::move(state)) {}
ObjectWatch::ObjectWatch(ObjectWatch&&) noexcept = default;

ObjectWatch& ObjectWatch::operator=(ObjectWatch&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

ObjectWatch::~ObjectWatch() {
  if (state_ == nullptr) return;
  std::unique_lock held(state_->lock);
  state_->stopping = true;
  state_->changed.notify_all();
  if (state_->following) state_->changed.wait_for(held, end_patience, [&] { return state_->ended; });
}

void ObjectWatch::follow(std::chrono::milliseconds period) {
  const std::lock_guard held(state_->lock);
  if (std::exchange(state_->following, true)) return;
  std::thread([state = state_, period] { state->run(period); }).detach();
}

void ObjectWatch::hint() {
  const std::lock_guard held(state_->lock);
  if (std::exchange(state_->hinted, true)) return;
  state_->changed.notify_all();
}

}  // namespace shrike::probe
