#pragma once
// Keeps the kernel's table of named files at what their paths are now.

#include <chrono>
#include <memory>

#include "agent/probe/object_resolver.h"
#include "agent/probe/settings.h"

namespace shrike::probe {

/// One for each generation of the programs. Thread-safe.
class ObjectWatch {
 public:
  /// Looks all paths up and puts what they are in force, in a generation that does not report yet.
  static Result<ObjectWatch> start(Settings settings, ObjectResolver::Objects objects);
  ObjectWatch(ObjectWatch&&) noexcept;
  ObjectWatch& operator=(ObjectWatch&&) noexcept;
  ~ObjectWatch();

  /// From now on a thread looks again, every `period` and soon after each hint(). A thread of its own, because a path
  /// may lead to a file system that does not answer; and not before the agent has given up its rights, which a thread
  /// inherits. Does nothing the second time.
  void follow(std::chrono::milliseconds period);
  /// Some path may have become another file.
  void hint();

 private:
  struct State;
  explicit ObjectWatch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace shrike::probe
