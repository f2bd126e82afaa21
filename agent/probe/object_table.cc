#include "agent/probe/object_table.h"

#include <cstring>

namespace shrike::probe {

static_assert(sizeof(shrike_object_slot) == 24);
static_assert((1u << 12) == 64 * SHRIKE_OBJECT_LIKELY);  // shrike_inode_hash gives twelve bits

size_t fill_object_table(const std::vector<ResolvedObject>& objects, shrike_objects& table) {
  table.access = table.below = table.folders = 0;
  std::memset(table.likely, 0, sizeof table.likely);
  std::memset(table.slots, 0, sizeof table.slots);
  size_t left_out = 0;
  for (const ResolvedObject& object : objects) {
    const __u32 home = shrike_object_hash(object.inode, object.device);
    shrike_object_slot* slot = nullptr;
    for (__u32 i = 0; slot == nullptr && i < SHRIKE_OBJECT_PROBES; ++i) {
      shrike_object_slot& one = table.slots[(home + i) % SHRIKE_OBJECT_SLOTS];
      if (one.sets == 0 || (one.inode == object.inode && one.device == object.device)) slot = &one;
    }
    if (slot == nullptr || object.sets == 0) {
      ++left_out;
      continue;
    }
    const __u32 access = object.access & access_all;
    slot->inode = object.inode;
    slot->device = object.device;
    slot->sets |= object.sets;
    slot->access |= access;
    if (object.folder) {
      slot->below |= access | SHRIKE_OBJECT_FOLDER;
      table.below |= access;
      table.folders = 1;
    }
    table.access |= access;
    const __u32 bit = shrike_inode_hash(object.inode);
    table.likely[bit / 64] |= 1ull << (bit % 64);
  }
  return left_out;
}

}  // namespace shrike::probe
