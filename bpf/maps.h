/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Every map. Weak: each object that includes this defines them, and linking makes one of them.
 *
 *   shared by all generations (the loader re-uses the old ones' fds): reserved, shards, sequences, counters, active,
 *   entries, budgets; its own per generation: the rest. Frozen after load: prefixes, names.
 */
#ifndef SHRIKE_MAPS_H
#define SHRIKE_MAPS_H

#include "kernel.h"
#include "shrike_counters.h"
#include "shrike_event.h"
#include "shrike_filter.h"

/* Lifecycle, privilege and integrity. The loader sets the real size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} reserved __weak SEC(".maps");

struct shard_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

/* File and network, by thread group. The loader sets max_entries to filter.shards and puts the rings in. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct shard_ring);
} shards __weak SEC(".maps");

/* Next sequence number of each ring: 0 the reserved one, 1 + n shard n. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHRIKE_RINGS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} sequences __weak SEC(".maps");

/* One per core: the loader sets max_entries to the number of possible ones. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shrike_counters);
} counters __weak SEC(".maps");

/* The generation that reports. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} active __weak SEC(".maps");

/* Handlers of system calls by enum shrike_call: dispatch.bpf.c jumps into them. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} on_enter __weak SEC(".maps"), on_exit __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct shrike_prefix);
	__type(value, __u32); /* enum shrike_access */
} prefixes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct shrike_name);
	__type(value, struct shrike_name_access);
} names __weak SEC(".maps");

#endif
