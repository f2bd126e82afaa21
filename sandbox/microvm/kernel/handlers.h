#pragma once
// The handlers of all calls, by subject, as call_table.cc lists them. Each gets copies of the call's arguments and returns
// its result, -errno, `waiting` or `no_return`.

#include "sandbox/microvm/kernel/request.h"

namespace shrike::sandbox::microvm {
