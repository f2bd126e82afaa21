#pragma once

#include <string>

#include "common/wire/keys.h"

namespace shrike::ship {

/// Who seals: goes into every header this agent signs.
struct Identity {
  std::string node;
  PrivateKey key;
  std::string agent_version;
};

}  // namespace shrike::ship
