// Where nodes live: slabs, the index by pid, who goes when there is no room, and the account of text.

#include <algorithm>
#include <bit>

#include "agent/enrich/process_table.h"

namespace shrike::enrich {
namespace {

constexpr size_t slab_nodes = 64;
constexpr size_t scan_limit = 32;  // nodes looked at for one without children before the first is taken as it is

/// What malloc takes for a block of `bytes`: a header of 8, multiples of 16, at least 32.
size_t block_bytes(size_t bytes) { return bytes == 0 ? 0 : std::max<size_t>(32, (bytes + 8 + 15) & ~size_t{15}); }

size_t heap_bytes(const std::string& text) { return text.capacity() <= 15 ? 0 : block_bytes(text.capacity() + 1); }

size_t heap_bytes(const Process& process) {
  size_t sum = heap_bytes(process.name) + heap_bytes(process.exe) + heap_bytes(process.filename) +
               heap_bytes(process.cwd) + heap_bytes(process.user) + heap_bytes(process.group) +
               block_bytes(process.argv.capacity() * sizeof(std::string));
  for (const auto& argument : process.argv) sum += heap_bytes(argument);
  return sum;
}

/// Cuts `text` so that it takes at most `bytes`, and gives the rest back.
void cut(std::string& text, size_t bytes) {
  if (heap_bytes(text) <= bytes) return;
  text.resize(std::min(text.size(), bytes > 48 ? bytes - 40 : size_t{15}));
  text.shrink_to_fit();
}

}  // namespace

ProcessTable::ProcessTable(TableLimits limits, Lookup& lookup)
    : limits_(limits),
      lookup_(lookup),
      index_(std::bit_ceil(std::max<size_t>(limits.processes, 16) * 2)),
      mask_(index_.size() - 1) {
  if (limits_.processes < 16) limits_.processes = 16;
  if (limits_.text_bytes == 0) limits_.text_bytes = size_t{limits_.processes} * 512;
  share_bytes_ = limits_.text_bytes / limits_.processes;
}

ProcessTable::~ProcessTable() = default;

size_t ProcessTable::bound_bytes() const {
  const size_t slabs = (limits_.processes + slab_nodes - 1) / slab_nodes;
  // One process more than the limit's text: it is charged before others are made to shed theirs.
  const size_t one = 4 * block_bytes(path_max_bytes + 1) + 2 * argv_max_bytes + (argv_max_count + 1) * 128;
  return sizeof *this + index_.size() * sizeof(Slot) + block_bytes(slab_nodes * sizeof(Node) + 8) * slabs +
         slabs * 2 * sizeof(void*) + limits_.text_bytes + one;
}

size_t ProcessTable::home(uint32_t pid) const { return (pid * 0x9E3779B1u >> 7) & mask_; }

void ProcessTable::index_insert(Node* node) {
  const uint32_t pid = node->process.pid;
  size_t at = home(pid);
  while (index_[at].node != nullptr) at = (at + 1) & mask_;
  index_[at] = {node, pid};
}

void ProcessTable::index_erase(const Node* node) {
  size_t at = home(node->process.pid);
  while (index_[at].node != node) at = (at + 1) & mask_;
  // Backward shift: whoever probed past this slot moves up, so that no tombstones pile up.
  for (size_t next = at;;) {
    next = (next + 1) & mask_;
    if (index_[next].node == nullptr) break;
    if (((next - home(index_[next].pid)) & mask_) < ((next - at) & mask_)) continue;
    index_[at] = index_[next];
    at = next;
  }
  index_[at] = {};
}

ProcessTable::Node* ProcessTable::lookup(uint32_t pid, uint64_t start_ns) const {
  for (size_t at = home(pid); index_[at].node != nullptr; at = (at + 1) & mask_)
    if (index_[at].pid == pid && index_[at].node->process.start_ns == start_ns) return index_[at].node;
  return nullptr;
}

ProcessTable::Node* ProcessTable::lookup_pid(uint32_t pid) const {
  Node* best = nullptr;
  for (size_t at = home(pid); index_[at].node != nullptr; at = (at + 1) & mask_) {
    Node* node = index_[at].node;
    if (index_[at].pid != pid) continue;
    if (best == nullptr || (best->exited && !node->exited) ||
        (best->exited == node->exited && node->process.start_ns > best->process.start_ns))
      best = node;
  }
  return best;
}

const Process* ProcessTable::find(uint32_t pid, uint64_t start_ns) const {
  const Node* node = lookup(pid, start_ns);
  return node == nullptr ? nullptr : &node->process;
}

const Process* ProcessTable::find_pid(uint32_t pid) const {
  const Node* node = lookup_pid(pid);
  return node == nullptr ? nullptr : &node->process;
}

ProcessTable::Node* ProcessTable::take_node() {
  if (size_ >= limits_.processes) make_room();
  if (free_ == nullptr) {
    slabs_.push_back(std::make_unique<Node[]>(slab_nodes));
    for (size_t i = slab_nodes; i-- > 0;) {
      slabs_.back()[i].parent = free_;
      free_ = &slabs_.back()[i];
    }
  }
  Node* node = free_;
  free_ = node->parent;
  node->parent = nullptr;
  ++size_;
  return node;
}

void ProcessTable::make_room() {
  const auto choose = [this](const auto& list, bool leaf_only) -> Node* {
    size_t looked = 0;
    for (Node* node = list.front(); node != nullptr && looked < scan_limit; node = list.next(node), ++looked)
      if (node != pinned_ && node->process.pid != 1 && (!leaf_only || node->first_child == nullptr)) return node;
    return nullptr;
  };
  Node* victim = choose(exited_, true);
  if (victim == nullptr) victim = choose(ancestors_, false);
  if (victim == nullptr) victim = choose(exited_, false);
  if (victim == nullptr) {
    victim = choose(live_, true);
    if (victim == nullptr) victim = choose(live_, false);
    ++evicted_live_;
  }
  remove(victim);  // never null: at least 16 processes, of which two are exempt
}

void ProcessTable::adopt(Node* child, Node* parent) {
  child->parent = parent;
  child->process.parent = &parent->process;
  child->siblings = {nullptr, parent->first_child, true};
  if (parent->first_child != nullptr) parent->first_child->siblings.previous = child;
  parent->first_child = child;
}

void ProcessTable::orphan(Node* child) {
  Node* parent = child->parent;
  if (parent == nullptr) return;
  auto& links = child->siblings;
  (links.previous != nullptr ? links.previous->siblings.next : parent->first_child) = links.next;
  if (links.next != nullptr) links.next->siblings.previous = links.previous;
  links = {};
  child->parent = nullptr;
  child->process.parent = nullptr;
}

void ProcessTable::remove(Node* node) {
  // Iterative: an exited ancestor that was kept only for this node goes with it, and so on upwards.
  while (node != nullptr) {
    while (node->first_child != nullptr) orphan(node->first_child);
    Node* parent = node->parent;
    orphan(node);
    index_erase(node);
    if (!node->exited) {
      live_.remove(node);
    } else {
      (node->kept ? ancestors_ : exited_).remove(node);
    }
    heavy_.remove(node);
    text_bytes_ -= node->charged;
    *node = Node{};
    node->parent = free_;
    free_ = node;
    --size_;
    node = parent != nullptr && parent->kept && parent->first_child == nullptr && parent != pinned_ ? parent : nullptr;
  }
}

void ProcessTable::charge(Node* node) {
  const size_t bytes = heap_bytes(node->process);
  text_bytes_ += bytes - node->charged;
  node->charged = static_cast<uint32_t>(bytes);
  heavy_.remove(node);
  if (bytes > share_bytes_) heavy_.push_back(node);
  if (text_bytes_ > limits_.text_bytes) shed_text();
}

void ProcessTable::shed_text() {
  while (text_bytes_ > limits_.text_bytes) {
    Node* node = heavy_.front();
    if (node == nullptr) return;  // nobody has more than a share: the sum cannot be over the limit
    Process& process = node->process;
    // The executable and what was run matter most; arguments after the first few least.
    process.user.resize(std::min<size_t>(process.user.size(), 15));
    process.group.resize(std::min<size_t>(process.group.size(), 15));
    cut(process.user, 0);
    cut(process.group, 0);
    const size_t part = share_bytes_ / 4;
    cut(process.exe, part);
    cut(process.filename, part);
    cut(process.cwd, part);
    std::string joined;
    for (const auto& argument : process.argv) {
      if (!joined.empty()) joined += ' ';
      joined += argument;
      if (joined.size() > part) break;
    }
    const size_t room = part > 112 ? part - 80 : 15;
    process.argv_truncated = process.argv_truncated || joined.size() > room || process.argv.size() > 1;
    joined.resize(std::min(joined.size(), room));
    joined.shrink_to_fit();
    process.argv = std::vector<std::string>();
    if (!joined.empty()) {
      process.argv.reserve(1);
      process.argv.push_back(std::move(joined));
    }
    text_bytes_ -= node->charged;
    node->charged = static_cast<uint32_t>(heap_bytes(process));
    text_bytes_ += node->charged;
    heavy_.remove(node);
  }
}

}  // namespace shrike::enrich
