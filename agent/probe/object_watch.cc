#include "agent/probe/object_watch.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "agent/probe/object_table.h"

namespace shrike::probe {
namespace {

using namespace std::chrono_literals;
// Between two looks: hints come in crowds, and no program may be half way through a table that is written again.
constexpr auto pause = 20ms;
constexpr auto end_patience = 1s;

}  // namespace

// Owned by the thread too: one that hangs in a dead file system must not keep the agent from ending.
struct ObjectWatch::State {
  State(Settings given, ObjectResolver::Objects objects) : settings(std::move(given)), resolver(std::move(objects)) {}

  Settings settings;
  shrike_objects table{};   // room to put the next one together
  ObjectResolver resolver;  // the thread's, once it runs
  std::optional<std::vector<ResolvedObject>> written;
  std::mutex lock;
  std::condition_variable changed;
  bool following = false, hinted = false, stopping = false, ended = false;

  Result<void> look();
  void run(std::chrono::milliseconds period);
};

Result<void> ObjectWatch::State::look() {
  std::vector<ResolvedObject> now = resolver.resolve();
  if (written && *written == now) return {};
  fill_object_table(now, table);
  TRY_VOID(settings.set_objects(table));
  written = std::move(now);
  return {};
}

void ObjectWatch::State::run(std::chrono::milliseconds period) {
  std::unique_lock held(lock);
  while (!stopping) {
    changed.wait_for(held, period, [&] { return hinted || stopping; });
    if (stopping) break;
    hinted = false;
    held.unlock();
    (void)look();  // refused, it is what it was, and the next look tries again
    std::this_thread::sleep_for(pause);
    held.lock();
  }
  ended = true;
  changed.notify_all();
}

Result<ObjectWatch> ObjectWatch::start(Settings settings, ObjectResolver::Objects objects) {
  auto state = std::make_shared<State>(std::move(settings), std::move(objects));
  TRY_VOID(state->look());
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
