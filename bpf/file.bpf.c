// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Files, judged by the path as given and, where a descriptor leads to it, by the object's own path. */
#include "entry.h"

#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_TRUNC 01000
#define AT_REMOVEDIR 0x200
#define FMODE_WRITE 2

SEC("tp_btf/sys_enter")
int BPF_PROG(keep_path, struct pt_regs *regs, long id)
{
	struct path_argument first, second;
	struct entry *e;
	struct call c;

	if (!read_call(regs, false, &c) || own())
		return 0;
	path_arguments(&c, &first, &second);
	e = bpf_task_storage_get(&entries, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!e)
		return 0;
	e->call = c.id;
	keep(e, 0, first.user);
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(keep_paths, struct pt_regs *regs, long id)
{
	struct path_argument first, second;
	struct entry *e;
	struct call c;

	if (!read_call(regs, false, &c) || own())
		return 0;
	path_arguments(&c, &first, &second);
	e = bpf_task_storage_get(&entries, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!e)
		return 0;
	e->call = c.id;
	keep(e, 0, first.user);
	keep(e, 1, second.user);
	return 0;
}

static __always_inline void count_self(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *n = bpf_map_lookup_elem(&counters, &cpu);

	if (n)
		__sync_fetch_and_add(&n->self, 1);
}

static __always_inline struct work *working_room(void)
{
	__u32 key = CONTEXT_TASK;

	return bpf_map_lookup_elem(&works, &key);
}

/*
 * What the path as given (behind GIVEN) is wanted for, made absolute by the path of `base`. `strict`: the object's own
 * path was not judged, so that what cannot be compared as text must leave. `walk` becomes the base's.
 */
static __always_inline __u32 given_access(struct work *w, __u32 which, struct given *g, struct place base, bool strict,
					  struct walk *walk)
{
	char *text = w->path[which].text;
	__u32 access = 0, at = GIVEN, length = g->length;

	if (g->length < 0)
		return strict ? ~0u : 0;
	if (!g->absolute) {
		if (!base.dentry)
			return strict ? ~0u : 0;
		walk->from = base;
		walk_path(which ? INTO_SECOND : INTO_FIRST, walk);
		access |= walk->name_access;
		if (walk->cut)
			return ~0u;
		/* Below "/" the separator is all there is of the base. */
		at = walk->start < PATH_END - 1 ? walk->start : PATH_END;
		length += GIVEN - at;
		text[PATH_END] = '/';
	}
	access |= scan_given(which, g);
	if (g->odd)
		return strict ? ~0u : access;
	if (filter.prefix_access)
		access |= prefix_access(text, at, length);
	return access;
}

/* Writes BASE: walks it unless given_access has. */
static __always_inline void record_base(struct scratch *s, enum shrike_span_index index, __u32 which,
					const struct given *g, struct place base, struct walk *walk)
{
	if (g->absolute || !base.dentry)
		return;
	__u32 into = which ? INTO_SECOND : INTO_FIRST;

	if (walk->start == PATH_END) {
		walk->from = base;
		walk_path(into, walk);
	}
	record_walk(s, index, into, walk);
}

struct open_how {
	__u64 flags, mode, resolve;
};

static __always_inline void open_arguments(const struct call *c, struct open_how *how)
{
	how->resolve = 0;
	switch (c->id) {
	case SHRIKE_CALL_open:
		how->flags = c->arg[1];
		how->mode = c->arg[2];
		break;
	case SHRIKE_CALL_creat:
		how->flags = O_CREAT | O_WRONLY | O_TRUNC;
		how->mode = c->arg[1];
		break;
	case SHRIKE_CALL_openat2:
		if (bpf_probe_read_user(how, sizeof(*how), (const void *)c->arg[2]))
			__builtin_memset(how, 0, sizeof(*how));
		break;
	default:
		how->flags = c->arg[2];
		how->mode = c->arg[3];
	}
	how->flags = (__u32)how->flags;
	how->mode = (__u16)how->mode;
}

/* What was done by this open. The descriptor's own mode counts where there is one: `flags` of openat2 is user memory. */
static __always_inline __u32 open_access(const struct open_how *how, struct file *file)
{
	bool write = how->flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
	bool read = !(how->flags & O_WRONLY);

	if (file) {
		__u32 mode = LOAD(file, f_mode);

		write = write || (mode & (FMODE_WRITE | FMODE_CREATED));
		read = read || (mode & 1);
	}
	return (write ? SHRIKE_A_OPEN_WRITE : 0) | (read ? SHRIKE_A_OPEN_READ : 0);
}

static __always_inline void record_open(struct task_struct *task, const struct call *c, long ret, struct work *w,
					struct given *g, struct place base, struct walk *based, struct file *file,
					const struct walk *real, const struct open_how *how)
{
	struct scratch *s;

	if (!within_budget()) {
		count_lost(SHRIKE_CLASS_FILE, SHRIKE_LOST_BUDGET);
		return;
	}
	s = record_begin(CONTEXT_TASK, SHRIKE_OPEN);
	if (!s)
		return;
	record_task(&s->record, task);
	record_call(&s->record, c, ret);
	s->record.arg[0] = how->flags;
	s->record.arg[1] = how->mode;
	s->record.arg[2] = 0;
	s->record.arg[3] = how->resolve;
	s->record.arg[4] = ret;
	s->record.arg[5] = 0;
	record_given(s, SHRIKE_S_PATH, &w->path[0], g);
	record_base(s, SHRIKE_S_BASE, 0, g, base, based);
	if (file) {
		s->record.arg[2] = LOAD(file, f_flags);
		if (LOAD(file, f_mode) & FMODE_CREATED)
			s->record.flags |= SHRIKE_F_CREATED;
		record_object(&s->record, LOAD(file, f_inode));
		record_walk(s, SHRIKE_S_REAL, INTO_REAL, real);
	}
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_open, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct walk real = {.start = PATH_END}, based = {.start = PATH_END};
	struct path_argument first, second;
	struct file *file = NULL;
	struct open_how how;
	struct place base = {};
	struct given g;
	struct entry *e;
	struct work *w;
	struct call c;
	__u32 access, wanted;
	bool absolute, same = false;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	if (!result_wanted(SHRIKE_OPEN, ret))
		return 0;
	if (own()) {
		count_self();
		return 0;
	}
	open_arguments(&c, &how);
	if (ret >= 0)
		file = file_of(task, ret);
	access = ret < 0 ? SHRIKE_A_OPEN_FAILED : open_access(&how, file);
	e = kept(task, &c);
	wanted = filter.any_path & access;
	if (!wanted && !e && !((filter.prefix_access | filter.name_access) & access))
		return 0;
	w = working_room();
	if (!w)
		return 0;

	path_arguments(&c, &first, &second);
	read_given(&w->path[0], first.user, &g);
	absolute = g.absolute;
	if (!absolute)
		base = place_of_directory(task, first.dirfd);
	if (report_change(task, &c, ret, e, 0, &w->path[0], &g))
		wanted = access;
	if (file) {
		real.stop = base;
		real.from = place_of_file(file);
		walk_path(INTO_REAL, &real);
		wanted |= real.name_access | (real.cut ? ~0u : 0);
		if (!wanted && filter.prefix_access)
			wanted |= prefix_access(w->real.text, real.start, walk_length(&real));
		wanted &= access;
		/* Mostly the path as given is the object's own, and need not be judged again. */
		if (!wanted && g.length > 0) {
			__u32 at = absolute ? real.start : real.at_stop + 1;

			same = (absolute || real.at_stop) && PATH_END - at == (__u32)g.length && same_text(at, g.length);
		}
	}
	if (!wanted && !same)
		wanted = given_access(w, 0, &g, base, !file, &based) & access;
	if (wanted)
		record_open(task, &c, ret, w, &g, base, &based, file, &real, &how);
	return 0;
}
