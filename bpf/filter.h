/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * What leaves the kernel: is this kind wanted, with this result, on this path, and has its cgroup any budget left?
 * May let too much through, never too little: what cannot be judged here leaves.
 */
#ifndef SHRIKE_FILTER_BPF_H
#define SHRIKE_FILTER_BPF_H

#include "call.h"
#include "maps.h"
#include "path.h"

#define SECOND_NS 1000000000ull
#define SCAN_MAX 256 /* bytes of a path as given that are looked at for names; a longer one leaves */

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

/*
 * What of `asked` the prefixes of text[at .. at + length), which begins with the bytes `first`, are wanted for.
 * text[at - 4 .. at) is overwritten.
 */
static __always_inline __u32 prefix_access(char *text, __u32 at, __u32 length, __u32 first, __u32 asked)
{
	__u32 *access;

	if (at < PATH_FIRST || at > GIVEN)
		return 0;
	if (length >= 4 && !(filter.prefix_hashes[shrike_prefix_hash(first)] & asked))
		return 0;
	*(__u32 *)(text + at - 4) = 8 * (length < SHRIKE_PREFIX_MAX ? length : SHRIKE_PREFIX_MAX);
	access = bpf_map_lookup_elem(&prefixes, text + at - 4);
	return access ? *access & asked : 0;
}

/* Is a component's name, that begins with the bytes `first`, perhaps wanted for something of `asked`? */
static __always_inline bool name_likely(__u64 first, __u32 length, __u32 asked)
{
	if (length < 8)
		first &= (1ull << 8 * (length & 7)) - 1;
	if (length > SHRIKE_NAME_MAX)
		length = SHRIKE_NAME_MAX;
	return filter.name_hashes[shrike_name_hash(first, length)] & asked;
}

/* What the name text[at .. at + length) is wanted for. Global for the verifier's sake, as walk_path. */
__weak __noinline __u32 name_access(__u32 into, __u32 at, __u32 length, __u32 last)
{
	const char *text = walk_text(into);
	struct shrike_name key = {};
	struct shrike_name_access *access;

	if (!text || !length || at > GIVEN + SCAN_MAX)
		return 0;
	if (length > SHRIKE_NAME_MAX)
		length = SHRIKE_NAME_MAX;
	bpf_probe_read_kernel(key.text, length, text + at);
	access = bpf_map_lookup_elem(&names, &key);
	if (!access)
		return 0;
	return last ? access->any | access->last : access->any;
}

struct scan {
	struct given *g;
	const char *text; /* behind GIVEN */
	__u32 into;
	__u32 begin, whole; /* of the current component; of all */
	__u32 asked, access;
};

/* Where the first '/' of eight bytes is; 8 when there is none. */
static __always_inline __u32 slash_in(__u64 word)
{
	__u64 x = word ^ 0x2f2f2f2f2f2f2f2full;
	__u64 zero = (x - 0x0101010101010101ull) & ~x & 0x8080808080808080ull;
	__u32 n = 0;

	if (!zero)
		return 8;
	if (!(zero & 0xffffffff)) {
		n += 4;
		zero >>= 32;
	}
	if (!(zero & 0xffff)) {
		n += 2;
		zero >>= 16;
	}
	return zero & 0xff ? n : n + 1;
}

/* One component. */
static long scan_step(__u32 index, struct scan *s)
{
	__u32 begin = s->begin, end = s->whole, length;
	__u64 first;

	if (begin > SCAN_MAX)
		return 1;
	for (__u32 i = 0; i < SCAN_MAX; i += 8) {
		__u32 n;

		if (begin + i >= s->whole)
			break;
		n = slash_in(*(const __u64 *)(s->text + begin + i));
		if (n < 8) {
			end = begin + i + n;
			break;
		}
	}
	if (end > s->whole)
		end = s->whole;
	length = end - begin;
	first = *(const __u64 *)(s->text + begin);
	if (!length ? begin != 0 && begin < s->whole
		    : (first & 0xff) == '.' && (length == 1 || (length == 2 && (first >> 8 & 0xff) == '.')))
		s->g->odd = 1;
	else if (length && filter.name_access && name_likely(first, length, s->asked))
		s->access |= name_access(s->into, GIVEN + begin, length, end >= s->whole);
	s->begin = end + 1;
	return s->begin > s->whole;
}

/* What of `asked` the names in a path as given are wanted for; sets `odd`. Global for the verifier's sake, as walk_path. */
__weak __noinline __u32 scan_given(__u32 which, struct given *g, __u32 asked)
{
	struct scan s = {.into = which ? INTO_SECOND : INTO_FIRST, .asked = asked};

	if (!g || g->length <= 0)
		return 0;
	s.text = walk_text(s.into);
	if (!s.text)
		return 0;
	s.text += GIVEN;
	s.g = g;
	s.whole = g->length;
	if (s.whole > SCAN_MAX) {
		s.whole = SCAN_MAX;
		g->odd = 1;
	}
	bpf_loop(SCAN_MAX, scan_step, &s, 0);
	return s.access;
}

/* Is a path as given, of `length` bytes, the same as the real one from `at` on? Zeros stand behind both. */
__weak __noinline int same_text(__u32 at, __u32 length)
{
	__u32 key = CONTEXT_TASK;
	struct work *w = bpf_map_lookup_elem(&works, &key);

	if (!w || at > PATH_END || PATH_END - at != length)
		return 0;
	for (__u32 i = 0; i < SCAN_MAX; i += 8) {
		if (i >= length)
			return 1;
		if (*(const __u64 *)(w->real.text + at + i) != *(const __u64 *)(w->path[0].text + GIVEN + i))
			return 0;
	}
	return 0;
}

/* Added to a cgroup's id: the account of its privilege events, which a flood of others must not empty. */
#define PRIVILEGE_ACCOUNT (1ull << 63)

/* Is there budget left for the current cgroup? Takes one event's worth. `account`: 0 or PRIVILEGE_ACCOUNT. */
static __always_inline bool within_budget(__u64 account)
{
	struct budget fresh = {}, *b;
	__u64 id, now, earned;

	if (!filter.budget_per_s)
		return true;
	id = bpf_get_current_cgroup_id() | account;
	now = bpf_ktime_get_boot_ns();
	b = bpf_map_lookup_elem(&budgets, &id);
	if (!b) {
		fresh.updated_ns = now;
		fresh.left = filter.budget_burst;
		bpf_map_update_elem(&budgets, &id, &fresh, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&budgets, &id);
		if (!b)
			return true;
	}
	/* Two cores at once may earn or spend one too many: a budget, not an account. */
	if (now > b->updated_ns) {
		__u64 passed = now - b->updated_ns;

		if (passed > 60 * SECOND_NS) {
			passed = 60 * SECOND_NS;
			b->updated_ns = now - passed;
		}
		earned = passed * filter.budget_per_s / SECOND_NS;
		if (earned) {
			__s64 left = b->left + (__s64)earned;

			b->left = left < (__s64)filter.budget_burst ? left : (__s64)filter.budget_burst;
			b->updated_ns += earned * SECOND_NS / filter.budget_per_s; /* keeps the fraction */
		}
	}
	if (b->left <= 0)
		return false;
	__sync_fetch_and_add(&b->left, -1);
	return true;
}

#endif
