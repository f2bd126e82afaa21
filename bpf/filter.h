/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What leaves the kernel: is this kind wanted, and this path? */
#ifndef SHRIKE_FILTER_BPF_H
#define SHRIKE_FILTER_BPF_H

#include "call.h"
#include "maps.h"

static __always_inline bool kind_wanted(enum shrike_kind kind)
{
	return (filter.kinds[kind / 64] >> (kind % 64)) & 1;
}

/* ... and with this result? */
static __always_inline bool result_wanted(enum shrike_kind kind, long result)
{
	return kind_wanted(kind) && !(result < 0 && ((filter.success_only[kind / 64] >> (kind % 64)) & 1));
}

/* The agent's own file and network events stay in the kernel. */
static __always_inline bool own(void)
{
	return (__u32)(bpf_get_current_pid_tgid() >> 32) == filter.self_tgid;
}

#endif
