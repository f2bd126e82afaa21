#pragma once
// Every process of the host as the events told it, in bounded memory and without a clock of its own.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/enrich/intrusive_list.h"
#include "common/wire/event.h"

namespace shrike::enrich {

/// What events do not carry. Asked when a process is first seen, executes, or changes its ids or cgroup.
class Lookup {
 public:
  virtual ~Lookup() = default;
  /// The container of a task, null on the host or when it cannot be told. Lives as long as processes name it.
  virtual const Container* container(const Task& task) = 0;
  /// Empty when the id has no name.
  virtual std::string_view user(uint32_t uid) = 0;
  virtual std::string_view group(uint32_t gid) = 0;
};

struct TableLimits {
  uint32_t processes = 16384;
  /// Text (paths, arguments) of all processes together, as malloc takes it; 0: 512 bytes for each of `processes`.
  size_t text_bytes = 0;
  /// How long after its exit a process can still be found, when the space is not needed.
  uint64_t keep_exited_ns = 5'000'000'000;
};

/// Bounds on one process's text; what is longer is cut (argv also sets `argv_truncated`).
inline constexpr size_t path_max_bytes = 4096;
inline constexpr size_t argv_max_bytes = 4096;
/// More arguments than this are joined by blanks into the last one, which leaves the command line as it was.
inline constexpr size_t argv_max_count = 64;

/// Processes by (pid, start). Ancestors stay reachable as long as there is room: an exited process with children is
/// kept for them. Without room go, in this order: exited processes without children, exited ones, the live process
/// without children that was silent longest. Too much text: the process with more than its share that was silent
/// longest has its text cut to that share. No pointer ever dangles: a process that goes is unlinked from its children.
class ProcessTable {
 public:
  ProcessTable(TableLimits limits, Lookup& lookup);
  ~ProcessTable();
  ProcessTable(const ProcessTable&) = delete;
  ProcessTable& operator=(const ProcessTable&) = delete;

  /// Applies one event and fills its `process` and `target`, both valid until the next call. 50 to 100 ns for an event
  /// of a known process, about 1 us for fork and exec. Threads never become processes.
  void apply(Event& event);

  /// Null when unknown.
  [[nodiscard]] const Process* find(uint32_t pid, uint64_t start_ns) const;
  /// The one running with that pid, or the one that did last; null when unknown.
  [[nodiscard]] const Process* find_pid(uint32_t pid) const;

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] size_t live() const { return live_.size(); }
  [[nodiscard]] uint64_t evicted_live() const { return evicted_live_; }
  /// Text held now, as malloc takes it.
  [[nodiscard]] size_t text_bytes() const { return text_bytes_; }
  /// No sequence of events makes the table take more than this. 16,384 processes: below 20 MiB.
  [[nodiscard]] size_t bound_bytes() const;
  /// Calls `visit(const Process&)` for every process in the table.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Slot& slot : index_)
      if (slot.node != nullptr) visit(slot.node->process);
  }

 private:
  struct Node {
    Process process;
    Node* parent = nullptr;
    Node* first_child = nullptr;
    Links<Node> siblings;
    Links<Node> order;     ///< in one of live_, exited_, ancestors_
    Links<Node> heavy;     ///< in heavy_ while its text is more than its share
    uint64_t seen_ns = 0;  ///< kernel time; of the exit once exited
    uint32_t charged = 0;  ///< bytes of text_bytes_ that are this node's
    bool exited = false;
    bool kept = false;  ///< in ancestors_
  };
  struct Slot {
    Node* node = nullptr;
    uint32_t pid = 0;
  };
  [[nodiscard]] Node* lookup(uint32_t pid, uint64_t start_ns) const;
  [[nodiscard]] Node* lookup_pid(uint32_t pid) const;
  [[nodiscard]] size_t home(uint32_t pid) const;
  void index_insert(Node* node);
  void index_erase(const Node* node);

  Node* actor(const Event& event);
  Node* create(uint32_t pid, uint64_t start_ns, uint64_t now_ns);
  Node* take_node();
  void make_room();
  void remove(Node* node);
  void adopt(Node* child, Node* parent);
  void orphan(Node* child);
  void mark_exited(Node* node, uint64_t wall_ns, uint64_t now_ns);
  void expire(uint64_t now_ns);
  void touch(Node* node, uint64_t now_ns);

  void on_fork(Event& event, Node* parent);
  void on_exec(const Event& event, Node* node);
  void on_exit(const Event& event, Node* node);
  static void note_pose(Process& process, const Event& event);
  void refresh(Node* node, const Task& task, bool look_up);
  void find_target(Event& event);
  void charge(Node* node);
  void shed_text();

  TableLimits limits_;
  size_t share_bytes_;
  Lookup& lookup_;
  std::vector<std::unique_ptr<Node[]>> slabs_;
  std::vector<Slot> index_;
  size_t mask_;
  Node* free_ = nullptr;
  Node* pinned_ = nullptr;  // must not be evicted while the current event is applied
  size_t size_ = 0;
  size_t text_bytes_ = 0;
  uint64_t evicted_live_ = 0;

  IntrusiveList<Node, &Node::order> live_;       // least recently seen first, to a second
  IntrusiveList<Node, &Node::order> exited_;     // oldest first
  IntrusiveList<Node, &Node::order> ancestors_;  // exited, past their time, kept for their children
  IntrusiveList<Node, &Node::heavy> heavy_;      // least recently charged first
};

}  // namespace shrike::enrich
