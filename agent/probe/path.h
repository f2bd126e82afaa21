#pragma once

#include <span>
#include <string_view>

namespace shrike::probe {

/// `path`, relative to `base` where it does not begin with '/', absolute and lexically normalised: no "." or "..",
/// no empty components, no slash at the end. An empty `path` gives `base`.
/// Returns a view of `path` or `base` when that needs no change, otherwise of `room`, which must hold
/// base.size() + path.size() + 2 characters. Empty when there is neither an absolute path nor an absolute base, or
/// when `room` is too small.
std::string_view absolute_path(std::string_view base, std::string_view path, std::span<char> room);

}  // namespace shrike::probe
