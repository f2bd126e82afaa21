#pragma once
// The state directory at start: locked, cut, caught up, ready to go on; and what had to be done for that.

#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/index.h"
#include "collector/registry.h"
#include "collector/store.h"

namespace shrike::collector {

struct Note {
  bool warning = false;
  std::string text;
};

struct State {
  Fd lock;
  PrivateKey key;
  std::string token;
  Registry registry;
  Store store;
  Index index;
  std::vector<NodeState> nodes;
  std::vector<Note> notes;    ///< for the log
  std::vector<Alert> alerts;  ///< what operators must know of
};

/// <state_dir>/index.sqlite
std::string index_path(const std::string& state_dir);
/// <state_dir>/commands.sqlite
std::string commands_path(const std::string& state_dir);
/// <state_dir>/segments
std::string segments_path(const std::string& state_dir);

/// Opens or makes everything. A corrupt index is set aside and made again from the segments. Errors: another collector
/// runs here; errno; whatever opening a part gives.
Result<State> open_state(const Config& config);

/// Marks the index as broken, so that the next start makes it again.
void suspect_index(const std::string& state_dir);

}  // namespace shrike::collector
