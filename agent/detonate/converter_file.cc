// Calls on files and mounts, with the arguments that events of their kinds have.

#include "agent/detonate/call_numbers.h"
#include "agent/detonate/converter.h"
#include "common/base/bytes.h"

namespace shrike::detonate {
namespace {

using sandbox::Call;

constexpr uint64_t at_removedir = 0x200;
constexpr uint64_t open_tree_clone = 1;
constexpr uint64_t open_creat = 0100, open_write_only = 1, open_truncate = 01000;

uint64_t low32(uint64_t value) { return static_cast<uint32_t>(value); }
uint64_t low16(uint64_t value) { return static_cast<uint16_t>(value); }

/// Kind and arguments of what changes names and attributes; `none`: another call.
EventKind change_of(uint32_t id, const Call& call, std::array<uint64_t, 6>& arg) {
  const auto& given = call.args;
  arg = {};
  switch (id) {
    case SHRIKE_CALL_renameat2:
      arg[0] = given[4];
      [[fallthrough]];
    case SHRIKE_CALL_rename:
    case SHRIKE_CALL_renameat:
      return EventKind::rename;
    case SHRIKE_CALL_linkat:
      arg[0] = given[4];
      [[fallthrough]];
    case SHRIKE_CALL_link:
      return EventKind::link;
    case SHRIKE_CALL_symlink:
    case SHRIKE_CALL_symlinkat:
      return EventKind::symlink;
    case SHRIKE_CALL_unlink:
      return EventKind::unlink;
    case SHRIKE_CALL_unlinkat:
      arg[0] = low32(given[2]);
      return (given[2] & at_removedir) != 0 ? EventKind::rmdir : EventKind::unlink;
    case SHRIKE_CALL_rmdir:
      return EventKind::rmdir;
    case SHRIKE_CALL_mkdir:
      arg[0] = low16(given[1]);
      return EventKind::mkdir;
    case SHRIKE_CALL_mkdirat:
      arg[0] = low16(given[2]);
      return EventKind::mkdir;
    case SHRIKE_CALL_chmod:
    case SHRIKE_CALL_fchmod:
      arg[0] = low16(given[1]);
      return EventKind::chmod;
    case SHRIKE_CALL_fchmodat:
    case SHRIKE_CALL_fchmodat2:
      arg[0] = low16(given[2]);
      return EventKind::chmod;
    case SHRIKE_CALL_chown:
    case SHRIKE_CALL_lchown:
    case SHRIKE_CALL_fchown:
    case SHRIKE_CALL_chown16:
    case SHRIKE_CALL_lchown16:
    case SHRIKE_CALL_fchown16:
      arg[0] = low32(given[1]);
      arg[1] = low32(given[2]);
      return EventKind::chown;
    case SHRIKE_CALL_fchownat:
      arg[0] = low32(given[2]);
      arg[1] = low32(given[3]);
      return EventKind::chown;
    case SHRIKE_CALL_truncate:
    case SHRIKE_CALL_ftruncate:
      arg[0] = given[1];
      return EventKind::truncate;
    case SHRIKE_CALL_truncate64:
    case SHRIKE_CALL_ftruncate64:
      arg[0] = given[1] | given[2] << 32;
      return EventKind::truncate;
    case SHRIKE_CALL_setxattr:
    case SHRIKE_CALL_lsetxattr:
    case SHRIKE_CALL_fsetxattr:
      arg[0] = given[4];
      return EventKind::setxattr;
    case SHRIKE_CALL_setxattrat:
      return EventKind::setxattr;
    default:
      return EventKind::none;
  }
}

/// openat2's flags, mode and resolve as they were told; one that asks for more than was told is cut, and no less an
/// open.
void open_how(const Call& call, std::array<uint64_t, 6>& arg) {
  for (const auto& text : call.texts) {
    if (text.kind != sandbox::TextKind::open_how || text.text.size() < 3 * sizeof(uint64_t)) continue;
    const auto* bytes = reinterpret_cast<const std::byte*>(text.text.data());
    arg[0] = low32(load_le<uint64_t>(bytes));
    arg[1] = low16(load_le<uint64_t>(bytes + sizeof(uint64_t)));
    arg[3] = load_le<uint64_t>(bytes + 2 * sizeof(uint64_t));
  }
}

bool open_of(uint32_t id, const Call& call, std::array<uint64_t, 6>& arg) {
  const auto& given = call.args;
  arg = {};
  switch (id) {
    case SHRIKE_CALL_open:
      arg[0] = low32(given[1]);
      arg[1] = low16(given[2]);
      break;
    case SHRIKE_CALL_creat:
      arg[0] = open_creat | open_write_only | open_truncate;
      arg[1] = low16(given[1]);
      break;
    case SHRIKE_CALL_openat:
      arg[0] = low32(given[2]);
      arg[1] = low16(given[3]);
      break;
    case SHRIKE_CALL_open_by_handle_at:
      arg[0] = low32(given[2]);
      break;
    case SHRIKE_CALL_openat2:
      open_how(call, arg);
      break;
    default:
      return false;
  }
  arg[2] = call.result >= 0 ? arg[0] : 0;
  arg[4] = static_cast<uint64_t>(call.result);
  return true;
}

/// The same of mounts. A tree that is only opened, not cloned, is none.
EventKind mount_of(uint32_t id, const Call& call, std::array<uint64_t, 6>& arg) {
  const auto& given = call.args;
  arg = {};
  switch (id) {
    case SHRIKE_CALL_mount:
      arg[0] = given[3];
      return EventKind::mount;
    case SHRIKE_CALL_move_mount:
      arg[0] = given[4];
      return EventKind::mount;
    case SHRIKE_CALL_open_tree:
    case SHRIKE_CALL_open_tree_attr:
      arg[0] = given[2];
      return (given[2] & open_tree_clone) != 0 ? EventKind::mount : EventKind::none;
    case SHRIKE_CALL_mount_setattr:
      arg[0] = given[2];
      return EventKind::mount;
    case SHRIKE_CALL_fsmount:
      arg[0] = given[1];
      return EventKind::mount;
    case SHRIKE_CALL_umount2:
      arg[0] = given[1];
      return EventKind::umount;
    case SHRIKE_CALL_umount:
      return EventKind::umount;
    case SHRIKE_CALL_pivot_root:
      return EventKind::pivot_root;
    case SHRIKE_CALL_chroot:
      return EventKind::chroot;
    default:
      return EventKind::none;
  }
}

bool by_descriptor(uint32_t id) {
  return id == SHRIKE_CALL_fchmod || id == SHRIKE_CALL_fchown || id == SHRIKE_CALL_fchown16 ||
         id == SHRIKE_CALL_ftruncate || id == SHRIKE_CALL_ftruncate64 || id == SHRIKE_CALL_fsetxattr;
}

}  // namespace

void Converter::file(const Call& call, uint32_t id, Event& event, JobProcess& process) {
  std::array<uint64_t, 6> arg{};
  EventKind kind = EventKind::open;
  if (!open_of(id, call, arg)) {
    kind = change_of(id, call, arg);
    if (kind == EventKind::none) kind = mount_of(id, call, arg);
  }
  if (kind == EventKind::none) return;
  event.kind = kind;
  event.arg = arg;
  // The name of an attribute is the second text; that of a file is the first, and comes from its descriptor here.
  if (kind == EventKind::setxattr && event.path2.text.empty() && event.full_path.empty())
    std::swap(event.path, event.path2);
  if (by_descriptor(id) && event.real_path.empty())
    if (const auto* known = process.descriptors.find(static_cast<int>(call.args[0])))
      event.real_path = event.full_path = full_path_ = known->path;
  if (by_descriptor(id)) event.full_path = event.real_path;
}

}  // namespace shrike::detonate
