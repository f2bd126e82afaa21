#pragma once
// What a refused call reached for.

#include "agent/detonate/finding.h"
#include "sandbox/call.h"

namespace shrike::detonate {

/// Null: it says nothing of who made it.
const Finding* refused_finding(const sandbox::Call& call);

}  // namespace shrike::detonate
