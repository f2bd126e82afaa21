#pragma once
// bpf/shrike_calls.h as C++ sees it.

#include <linux/types.h>

#include "bpf/shrike_event.h"
// The one needs types of the other.
#include "bpf/shrike_filter.h"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include "bpf/shrike_calls.h"
#pragma GCC diagnostic pop
