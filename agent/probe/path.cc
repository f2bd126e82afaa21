#include "agent/probe/path.h"

#include <cstring>

namespace shrike::probe {
namespace {

// The first component of `rest`, which is cut off with the slash after it.
std::string_view take(std::string_view& rest) {
  const size_t slash = rest.find('/');
  const std::string_view component = rest.substr(0, slash);
  rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  return component;
}

bool special(std::string_view component) { return component.empty() || component == "." || component == ".."; }

// An absolute path that normalising would not change.
bool normal(std::string_view path) {
  if (path.size() == 1) return true;
  if (path.back() == '/') return false;
  std::string_view rest = path.substr(1);
  while (!rest.empty())
    if (special(take(rest))) return false;
  return true;
}

// Appends the components of `path` to the absolute path in room[0, size); "" stands for the root.
size_t append(std::span<char> room, size_t size, std::string_view path) {
  while (!path.empty()) {
    const std::string_view component = take(path);
    if (component == "..") {
      while (size > 0 && room[--size] != '/') {
      }
    } else if (!special(component)) {
      room[size++] = '/';
      std::memcpy(room.data() + size, component.data(), component.size());
      size += component.size();
    }
  }
  return size;
}

}  // namespace

std::string_view absolute_path(std::string_view base, std::string_view path, std::span<char> room) {
  if (path.empty()) {
    path = base;
    base = {};
  }
  if (path.empty()) return {};
  if (path.front() == '/') {
    if (normal(path)) return path;
    base = {};
  } else if (base.empty() || base.front() != '/') {
    return {};
  }
  if (room.size() < base.size() + path.size() + 2) return {};
  size_t size = 0;
  if (!base.empty() && base.size() > 1 && normal(base)) {
    std::memcpy(room.data(), base.data(), base.size());
    size = base.size();
  } else {
    size = append(room, 0, base);
  }
  size = append(room, size, path);
  if (size == 0) room[size++] = '/';
  return {room.data(), size};
}

}  // namespace shrike::probe
