#include "agent/probe/merge.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "agent/probe/record.h"

namespace shrike::probe {
namespace {

constexpr uint64_t nothing = std::numeric_limits<uint64_t>::max();
// Room goes back to the writers in pieces of this part of the ring: each store costs them a cache miss.
constexpr uint64_t pieces = 16;

uint64_t time_of(std::span<const std::byte> record) {
  uint64_t time = 0;
  if (record.size() >= offsetof(shrike_record, boot_ns) + sizeof time)
    std::memcpy(&time, record.data() + offsetof(shrike_record, boot_ns), sizeof time);
  return std::min(time, nothing - 1);
}

}  // namespace

Merge::Merge(std::vector<Ring> rings) : rings_(std::move(rings)), windows_(rings_.size()), heads_(rings_.size()) {
  for (size_t i = 0; i < rings_.size(); ++i) windows_[i].scanned = windows_[i].released = rings_[i].consumed();
}

void Merge::settle(const Ring::Slot& slot, Entry& entry) {
  entry.state = slot.state;
  if (slot.state != Ring::State::ready) return;
  entry.record = slot.record.data();
  entry.length = static_cast<uint32_t>(slot.record.size());
  entry.time_ns = time_of(slot.record);
}

// Brings the window up to the ring's end and puts in order what goes out in this round.
void Merge::look(const Ring& ring, Window& window, uint64_t now_ns) {
  window.order.clear();
  window.at = 0;
  const uint64_t produced = ring.produced();
  const auto take = [&](size_t index) {
    // Nearly in order already: writers on different cores overtake each other by a record or two.
    const uint64_t time = window.entries[index].time_ns;
    size_t place = window.order.size();
    window.order.push_back(static_cast<uint32_t>(index));
    for (; place > 0 && window.entries[window.order[place - 1]].time_ns > time; --place)
      window.order[place] = window.order[place - 1];
    window.order[place] = static_cast<uint32_t>(index);
  };
  // Those of the last round that were too young or still being written. None of them can be younger than that
  // round's end, so whatever time they claim, they go out now.
  for (size_t i = 0; i < window.entries.size(); ++i) {
    Entry& entry = window.entries[i];
    if (entry.state == Ring::State::busy) settle(ring.at(entry.position, produced), entry);
    if (entry.state == Ring::State::ready) take(i);
  }
  while (window.scanned < produced) {
    const Ring::Slot slot = ring.at(window.scanned, produced);
    if (slot.state == Ring::State::damaged) ++damaged_;
    Entry entry{.time_ns = 0,
                .position = window.scanned,
                .next = slot.next,
                .record = nullptr,
                .length = 0,
                .state = Ring::State::discarded};
    if (slot.state != Ring::State::damaged) settle(slot, entry);
    window.scanned = slot.next;
    window.entries.push_back(entry);
    if (entry.state == Ring::State::ready && entry.time_ns < now_ns) take(window.entries.size() - 1);
  }
}

// Gives back the room of all slots in front that are done with, when it is enough to be worth it.
void Merge::finish(Ring& ring, Window& window, bool last) {
  while (window.done < window.entries.size() && window.entries[window.done].state == Ring::State::discarded)
    ++window.done;
  if (window.done == 0) return;
  const uint64_t position = window.entries[window.done - 1].next;
  if (position == window.released || (!last && position - window.released < ring.size() / pieces)) return;
  ring.release(position);
  window.released = position;
}

size_t Merge::drain(uint64_t now_ns, const RecordCallback& callback) {
  for (size_t i = 0; i < rings_.size(); ++i) {
    Window& window = windows_[i];
    look(rings_[i], window, now_ns);
    heads_[i] = window.order.empty() ? nothing : window.entries[window.order[0]].time_ns;
  }
  size_t count = 0;
  for (;;) {
    const size_t oldest = static_cast<size_t>(std::min_element(heads_.begin(), heads_.end()) - heads_.begin());
    if (oldest == heads_.size() || heads_[oldest] == nothing) break;
    Window& window = windows_[oldest];
    Entry& entry = window.entries[window.order[window.at]];
    callback({entry.record, entry.length});
    entry.state = Ring::State::discarded;
    finish(rings_[oldest], window, false);
    heads_[oldest] = ++window.at == window.order.size() ? nothing : window.entries[window.order[window.at]].time_ns;
    ++count;
  }
  for (size_t i = 0; i < rings_.size(); ++i) {
    Window& window = windows_[i];
    finish(rings_[i], window, true);
    window.entries.erase(window.entries.begin(), window.entries.begin() + static_cast<std::ptrdiff_t>(window.done));
    window.done = 0;
  }
  return count;
}

}  // namespace shrike::probe
