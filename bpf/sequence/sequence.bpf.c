// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Sequence scoring: does this thread's program make these six calls in a row? Runs at every system call, and most find
 * their 6-gram in the first cache line they look at; only what is new goes on.
 *
 * An object of its own, loaded only when it is wanted: switched off it is not there.
 */
#include "filter.h"
#include "ring.h"
#include "sequence/shrike_sequence.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

const volatile struct shrike_filter filter = {}; /* shards and self_tgid, as in the object this is loaded beside */
const volatile struct shrike_sequence_setup setup = {};

#define FLUSH_EVERY 64 /* calls of a thread; a power of two */
#define EXIT 60
#define EXIT_GROUP 231 /* of x86-64; a 32-bit thread's last calls are not counted */
#define ANCESTORS 16   /* levels of cgroups that are looked at */

/* The calls a thread made last. */
struct window {
	__u64 last;    /* as in struct shrike_ngram */
	__u32 first;
	__u32 program; /* 0: not scored */
	__u64 misses;  /* one bit for each of the last 64 calls, 1: ended in an unknown 6-gram */
	__u64 mm;      /* whose address space it was when the program was looked up: exec makes a new one */
	__u64 cgroups; /* the same, its cgroups; only where some are excluded */
	__u32 calls;
	__u32 partial; /* 1: we did not see its first calls */
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct window);
} windows SEC(".maps");

/*
 * All known 6-grams. An array and not a hash map: looked up in place, never allocates, and read by the agent without a
 * system call. The loader sets the sizes of all these.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shrike_bucket);
} ngrams SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shrike_profile);
} profiles SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct shrike_program_key);
	__type(value, __u32);
} programs SEC(".maps");

/* Cgroups, by v2 id, that are left out with all below them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} excluded SEC(".maps");

/* What was reported, and when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct shrike_ngram);
	__type(value, __u64);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shrike_sequence_totals);
} totals SEC(".maps");

#define COUNT(what, n)                                                                    \
	({                                                                                \
		__u32 __zero = 0;                                                         \
		struct shrike_sequence_totals *__t = bpf_map_lookup_elem(&totals, &__zero); \
		if (__t)                                                                  \
			__sync_fetch_and_add(&__t->what, n);                              \
	})

static __always_inline struct shrike_profile *profile_of(__u32 program)
{
	return bpf_map_lookup_elem(&profiles, &program);
}

/* Takes a report of this program's for this second. Two cores at once may take one too many. */
static __always_inline bool may_report(struct shrike_profile *p, __u64 now)
{
	__u64 second = now / 1000000000ull;

	if (p->second != second) {
		p->second = second;
		p->in_second = 0;
	}
	if (p->in_second >= setup.reports_per_s)
		return false;
	p->in_second++;
	return true;
}

static __noinline int report(struct window *w, struct shrike_profile *p, enum shrike_sequence_what what)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s = record_begin(CONTEXT_TASK, SHRIKE_SEQUENCE);
	__u16 call = w->last;
	__u64 misses = w->misses;
	struct shrike_object *o;
	__u32 count = 0;

	if (!s)
		return 0;
	record_task(&s->record, task);
	s->record.arg[0] = what;
	s->record.arg[1] = w->last;
	s->record.arg[2] = w->first;
	s->record.arg[3] = p->ngrams;
	for (int i = 0; i < 64; i++) {
		count += misses & 1;
		misses >>= 1;
	}
	s->record.arg[4] = count;
	s->record.arg[5] = p->calls;
	if (what == SHRIKE_SEQUENCE_NEW_NGRAM) {
		if ((call & 0xf000) == SHRIKE_SEQUENCE_URING)
			s->record.flags |= SHRIKE_F_URING;
		else
			s->record.syscall = call & 0x0fff;
		if ((call & 0xf000) == SHRIKE_SEQUENCE_32)
			s->record.flags |= SHRIKE_F_COMPAT32;
		if ((call & 0xf000) == SHRIKE_SEQUENCE_X32)
			s->record.flags |= SHRIKE_F_X32;
	}
	o = &s->record.object;
	o->inode = p->key.inode;
	o->device = p->key.device;
	o->ctime_ns = p->key.ctime_ns;
	o->mtime_ns = p->mtime_ns;
	o->uid = p->uid;
	/* A workload can make many of these: they must not push lifecycle records out of the reserved ring. */
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}

/* Is the task in an excluded cgroup, or below one? */
static __noinline int is_excluded(void)
{
	for (int level = 0; level < ANCESTORS; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			return 0;
		if (bpf_map_lookup_elem(&excluded, &id))
			return 1;
	}
	return 0;
}

/* A program's first execution since the load: gives it an index. 0: there is none left. */
static __always_inline __u32 new_program(const struct shrike_program_key *key, const struct shrike_object *o,
					 __u64 now)
{
	__u32 zero = 0, id, *other;
	struct shrike_sequence_totals *t = bpf_map_lookup_elem(&totals, &zero);
	struct shrike_profile *p;

	if (!t)
		return 0;
	if (t->programs + 1 >= setup.programs_max) /* asked first, so that the number does not grow for ever */
		goto full;
	id = __sync_fetch_and_add(&t->programs, 1) + 1;
	if (id >= setup.programs_max)
		goto full;
	p = profile_of(id);
	if (!p)
		return 0;
	p->key = *key;
	p->mtime_ns = o->mtime_ns;
	p->uid = o->uid;
	p->learn_until_ns = now + setup.learn_ns;
	p->state = SHRIKE_PROFILE_NEW;
	if (!bpf_map_update_elem(&programs, key, &id, BPF_NOEXIST))
		return id;
	/* Another core was faster; this index stays unused. */
	p->state = 0;
	other = bpf_map_lookup_elem(&programs, key);
	return other ? *other : 0;
full:
	__sync_fetch_and_add(&t->programs_full, 1);
	return 0;
}

/* The thread is new to us, or runs something else now: which program is it? */
static __noinline int look_up_program(struct window *w)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct shrike_program_key key = {};
	struct shrike_object object = {};
	struct mm_struct *mm = task->mm;
	struct shrike_profile *p;
	bool is_new = false;
	struct file *exe;
	__u32 *known;
	__u64 now;

	/* Without a new address space it went on in the middle, and so did a thread that is older than we are. */
	w->partial = w->mm ? w->mm == (__u64)mm : task->start_boottime < setup.loaded_ns;
	w->mm = (__u64)mm;
	w->cgroups = (__u64)task->cgroups;
	w->last = ~0ull; /* SHRIKE_SEQUENCE_START, six times */
	w->first = ~0u;
	w->misses = 0;
	w->program = 0;
	if (!mm || task->tgid == filter.self_tgid)
		return 0;
	if (setup.excluded_cgroups && is_excluded()) {
		COUNT(excluded, 1);
		return 0;
	}
	exe = mm->exe_file;
	if (!exe)
		return 0;
	fill_object(&object, exe->f_inode);
	key.inode = object.inode;
	key.device = object.device;
	key.ctime_ns = object.ctime_ns;
	now = bpf_ktime_get_boot_ns();
	known = bpf_map_lookup_elem(&programs, &key);
	if (known) {
		w->program = *known;
	} else {
		w->program = new_program(&key, &object, now);
		is_new = true;
	}
	p = profile_of(w->program);
	if (!w->program || !p)
		return 0;
	p->seen_ns = now;
	if (is_new)
		report(w, p, SHRIKE_SEQUENCE_NEW_PROGRAM);
	return 0;
}

static __always_inline __u64 tag_of(const struct window *w)
{
	return (__u64)w->program << 32 | w->first;
}

/* `first` and `program` of a slot as one number, as tag_of() has them. */
static __always_inline __u64 *slot_tag(struct shrike_bucket *b, __u32 i)
{
	return (__u64 *)&b->slot[i].first;
}

static __always_inline struct shrike_bucket *bucket(__u32 hash)
{
	__u32 index = hash & setup.bucket_mask;

	return bpf_map_lookup_elem(&ngrams, &index);
}

static __always_inline bool holds(struct shrike_bucket *b, __u64 last, __u64 tag)
{
#pragma unroll
	for (int i = 0; i < SHRIKE_BUCKET_SLOTS; i++)
		if (b->slot[i].last == last && *slot_tag(b, i) == tag)
			return true;
	return false;
}

/*
 * Into a free slot. Whoever reads between the two stores takes the 6-gram for unknown, and at worst puts it in twice.
 */
static __always_inline bool put(struct shrike_bucket *b, __u64 last, __u64 tag)
{
#pragma unroll
	for (int i = 0; i < SHRIKE_BUCKET_SLOTS; i++) {
		if (!__sync_val_compare_and_swap(slot_tag(b, i), 0, tag)) {
			b->slot[i].last = last;
			return true;
		}
	}
	return false;
}

/* Is this program still being learned? */
static __always_inline bool learning(struct shrike_profile *p, __u64 now)
{
	__u64 new_at, calls;

	if (setup.always_learn)
		return true;
	if (p->state & SHRIKE_PROFILE_SETTLED)
		return false;
	/* In this order: both grow meanwhile, and the second is never ahead of the first. */
	new_at = *(volatile __u64 *)&p->new_at_calls;
	calls = *(volatile __u64 *)&p->calls;
	if (now < p->learn_until_ns || calls < new_at + setup.learn_calls)
		return true;
	__sync_fetch_and_or(&p->state, SHRIKE_PROFILE_SETTLED);
	return false;
}

static __always_inline void learn(struct window *w, struct shrike_profile *p, __u64 hash)
{
	struct shrike_bucket *one = bucket(hash), *two = bucket(hash >> 32);

	p->new_at_calls = p->calls;
	if (p->ngrams >= setup.program_ngrams) {
		COUNT(profile_full, 1);
		if (!(__sync_fetch_and_or(&p->state, SHRIKE_PROFILE_FULL) & SHRIKE_PROFILE_FULL))
			report(w, p, SHRIKE_SEQUENCE_PROFILE_FULL);
		return;
	}
	if ((one && put(one, w->last, tag_of(w))) || (two && put(two, w->last, tag_of(w)))) {
		__sync_fetch_and_add(&p->ngrams, 1);
		COUNT(learned, 1);
	} else {
		COUNT(table_full, 1);
	}
}

/* A 6-gram that is not known. */
static __noinline int miss(struct window *w, __u64 hash)
{
	struct shrike_profile *p = profile_of(w->program);
	__u64 now = bpf_ktime_get_boot_ns(), *before;
	struct shrike_ngram key = {};

	if (!p || (w->partial && w->first >> 16 == 0xffff))
		return 0;
	if (learning(p, now)) {
		learn(w, p, hash);
		return 0;
	}
	w->misses |= 1;
	key.last = w->last;
	key.first = w->first;
	key.program = w->program;
	before = bpf_map_lookup_elem(&told, &key);
	if (before && now - *before < setup.tell_again_ns) {
		__sync_fetch_and_add(&p->repeated, 1);
		COUNT(repeated, 1);
		return 0;
	}
	if (!may_report(p, now)) {
		__sync_fetch_and_add(&p->held_back, 1);
		COUNT(held_back, 1);
		return 0;
	}
	bpf_map_update_elem(&told, &key, &now, BPF_ANY);
	__sync_fetch_and_add(&p->told, 1);
	COUNT(told, 1);
	report(w, p, SHRIKE_SEQUENCE_NEW_NGRAM);
	return 0;
}

static __noinline int flush_calls(struct window *w)
{
	struct shrike_profile *p = profile_of(w->program);

	if (p)
		__sync_fetch_and_add(&p->calls, FLUSH_EVERY);
	COUNT(calls, FLUSH_EVERY);
	return 0;
}

/* The thread ends: what it made since the last flush counts too, or a program of few calls would never settle. */
static __noinline int flush_rest(void)
{
	struct window *w = bpf_task_storage_get(&windows, bpf_get_current_task_btf(), 0, 0);
	struct shrike_profile *p;
	__u32 rest;

	if (!w)
		return 0;
	rest = w->calls % FLUSH_EVERY;
	w->calls -= rest;
	p = profile_of(w->program);
	if (p)
		__sync_fetch_and_add(&p->calls, rest);
	COUNT(calls, rest);
	return 0;
}

/* One more call of the current thread. */
static __always_inline int step(struct task_struct *task, __u16 call)
{
	struct shrike_bucket *b;
	struct window *w;
	__u64 hash;

	/* A thread is in the sample or not for all its life. */
	if (setup.sample > 1 && (((__u32)task->pid ^ (__u32)setup.seed) * 0x9e3779b1u >> 8) % setup.sample)
		return 0;
	w = bpf_task_storage_get(&windows, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!w) {
		COUNT(unstored, 1);
		return 0;
	}
	if (w->mm != (__u64)task->mm || (setup.excluded_cgroups && w->cgroups != (__u64)task->cgroups))
		look_up_program(w);
	if (!w->program)
		return 0;
	w->first = w->first << 16 | w->last >> 48;
	w->last = w->last << 16 | call;
	w->misses <<= 1;
	if (!(++w->calls % FLUSH_EVERY))
		flush_calls(w);
	hash = shrike_ngram_hash(setup.seed, w->last, tag_of(w));
	b = bucket(hash);
	if (b && holds(b, w->last, tag_of(w)))
		return 0;
	b = bucket(hash >> 32);
	if (b && holds(b, w->last, tag_of(w)))
		return 0;
	return miss(w, hash);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(sequence_call, struct pt_regs *regs, long id)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 number = (__u32)id, origin = SHRIKE_SEQUENCE_64;

	if (task->thread_info.status & TS_COMPAT) {
		origin = SHRIKE_SEQUENCE_32;
	} else if (number & X32_BIT) {
		origin = SHRIKE_SEQUENCE_X32;
		number &= ~X32_BIT;
	}
	if (number > SHRIKE_SEQUENCE_NUMBERS)
		number = SHRIKE_SEQUENCE_NUMBERS;
	step(task, origin | number);
	if (number == EXIT_GROUP || number == EXIT)
		flush_rest();
	return 0;
}

struct io_kiocb {
	__u8 opcode;
} __kernel_type;

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(sequence_uring, struct io_kiocb *request)
{
	return step(bpf_get_current_task_btf(), SHRIKE_SEQUENCE_URING | request->opcode);
}

/* Its name before 6.4. */
SEC("tp_btf/io_uring_submit_sqe")
int BPF_PROG(sequence_uring_old, struct io_kiocb *request)
{
	return step(bpf_get_current_task_btf(), SHRIKE_SEQUENCE_URING | request->opcode);
}
