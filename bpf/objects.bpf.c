// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * bpf(2): what others load, and who touches what is ours. Commands that make, load, attach or open something are always
 * reported; those that read and write elements only when the object is one of the agent's own.
 */
#include "entry.h"
#include "socket.h"

enum shrike_object_type {
	OBJECT_NONE = 0,
	OBJECT_MAP = 1,
	OBJECT_PROGRAM = 2,
	OBJECT_LINK = 3,
	OBJECT_BTF = 4,
};

struct own_object {
	__u32 type; /* enum shrike_object_type */
	__u32 id;
};
/* The agent's own maps, programs and links. Each generation has its own list, frozen when it is complete. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, struct own_object);
	__type(value, __u32);
} own_objects __weak SEC(".maps");

struct bpf_map {
	__u32 id;
} __kernel_type;
struct bpf_prog_aux {
	__u32 id;
} __kernel_type;
struct bpf_prog {
	struct bpf_prog_aux *aux;
} __kernel_type;
struct bpf_link {
	__u32 id;
} __kernel_type;
struct btf {
	__u32 id;
} __kernel_type;

#define PROG_TEST_RUN 10 /* how the agent changes its settings */
#define ATTR_BYTES 64 /* of union bpf_attr; every field that we read lies before */
#define ATTR32(attr, at) (*(__u32 *)((attr) + (at)))

/*
 * The object behind a descriptor of bpf(2), told by the name of its anonymous inode. Global: the verifier looks at it
 * once, not at every call.
 */
__weak __noinline int object_of_descriptor(__u32 fd, struct own_object *o)
{
	struct file *file = file_of(bpf_get_current_task_btf(), fd);
	char name[8] = {};
	void *object;

	if (!file || !o)
		return 0;
	bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	object = LOAD(file, private_data);
	if (name[0] != 'b')
		return 0;
	if (name[1] == 't' && name[2] == 'f') {
		o->type = OBJECT_BTF;
		o->id = BPF_CORE_READ((struct btf *)object, id);
	} else if (name[1] == 'p' && name[2] == 'f' && name[4] == 'm') {
		o->type = OBJECT_MAP;
		o->id = BPF_CORE_READ((struct bpf_map *)object, id);
	} else if (name[1] == 'p' && name[2] == 'f' && name[4] == 'p') {
		o->type = OBJECT_PROGRAM;
		o->id = BPF_CORE_READ((struct bpf_prog *)object, aux, id);
	} else if (name[1] == 'p' && name[2] == 'f' && name[4] == 'l') {
		o->type = OBJECT_LINK;
		o->id = BPF_CORE_READ((struct bpf_link *)object, id);
	}
	return 0;
}

/* Which field of union bpf_attr is the descriptor that a command is about; -1: none. */
static __always_inline int descriptor_field(__u32 command)
{
	switch (command) {
	case 1 ... 4:   /* MAP_*_ELEM */
	case PROG_TEST_RUN:
	case 15:        /* OBJ_GET_INFO_BY_FD */
	case 21 ... 22: /* MAP_LOOKUP_AND_DELETE_ELEM, MAP_FREEZE */
	case 28 ... 29: /* LINK_CREATE, LINK_UPDATE */
	case 33 ... 35: /* ITER_CREATE, LINK_DETACH, PROG_BIND_MAP */
		return 0;
	case 8 ... 9: /* PROG_ATTACH, PROG_DETACH */
		return 4;
	case 6:  /* OBJ_PIN */
	case 17: /* RAW_TRACEPOINT_OPEN */
		return 8;
	case 24 ... 27: /* MAP_*_BATCH */
		return 36;
	}
	return -1;
}

/* Commands that somebody's monitoring repeats all day, and that matter only when they are about us. */
static __always_inline bool routine_command(__u32 command)
{
	switch (command) {
	case 1 ... 4:
	case 11 ... 12: /* PROG_GET_NEXT_ID, MAP_GET_NEXT_ID */
	case 15 ... 16: /* OBJ_GET_INFO_BY_FD, PROG_QUERY */
	case 20 ... 21: /* TASK_FD_QUERY, MAP_LOOKUP_AND_DELETE_ELEM */
	case 23 ... 27: /* BTF_GET_NEXT_ID, MAP_*_BATCH */
	case 31:        /* LINK_GET_NEXT_ID */
		return true;
	}
	return false;
}

static __always_inline __u32 type_by_id(__u32 command)
{
	return command == 13 ? OBJECT_PROGRAM : command == 14 ? OBJECT_MAP : command == 19 ? OBJECT_BTF :
	       command == 30 ? OBJECT_LINK : OBJECT_NONE;
}

struct about {
	__u64 id; /* or the type of what is made */
	__u64 fd;
	__u32 type; /* enum shrike_object_type */
	__u32 ours;
};

__weak __noinline int report_object(const struct call *c, long ret, const struct about *about)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	__u32 command;

	if (!c || !about)
		return 0;
	command = c->arg[0];
	s = record_begin(CONTEXT_TASK, SHRIKE_BPF);
	if (!s)
		return 0;
	record_task(&s->record, task);
	record_call(&s->record, c, ret);
	s->record.arg[1] = about->id;
	s->record.arg[2] = about->fd;
	s->record.arg[3] = about->type;
	s->record.arg[4] = about->ours;
	s->record.arg[5] = 0;
	if (command == 6 || command == 7) { /* the attributes begin with a pointer to the path */
		__u64 path = 0;

		bpf_probe_read_user(&path, sizeof(path), (const void *)c->arg[1]);
		record_user_string(s, SHRIKE_S_PATH, path, 256);
	} else if (command == 5 && c->arg[2] >= 64)
		record_user_string(s, SHRIKE_S_PATH, c->arg[1] + 48, 16);
	else if (command == 0 && c->arg[2] >= 44)
		record_user_string(s, SHRIKE_S_PATH, c->arg[1] + 28, 16);
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_bpf, struct pt_regs *regs, long result)
{
	struct own_object object = {};
	struct about about = {};
	char attr[ATTR_BYTES] = {};
	__u64 fd = ~0ull, what = 0;
	__u32 command, size;
	bool ours;
	struct call c;
	int field;
	long ret;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, result);
	if (!result_wanted(SHRIKE_BPF, ret))
		return 0;
	command = c.arg[0];
	size = c.arg[2] < ATTR_BYTES ? c.arg[2] : ATTR_BYTES;
	if (size)
		bpf_probe_read_user(attr, size, (const void *)c.arg[1]);
	field = descriptor_field(command);
	if (type_by_id(command)) {
		object.type = type_by_id(command);
		object.id = ATTR32(attr, 0);
	} else if (command == 0 || command == 5) { /* MAP_CREATE, PROG_LOAD: what type */
		what = ATTR32(attr, 0);
	}
	if (field >= 0)
		fd = field == 0 ? ATTR32(attr, 0) : field == 4 ? ATTR32(attr, 4) : field == 8 ? ATTR32(attr, 8) : ATTR32(attr, 36);
	else if (ret >= 0 && (object.type || what || command == 7 /* OBJ_GET */))
		fd = ret;
	if (fd != ~0ull && !what) /* what it really is, also where an id was given */
		object_of_descriptor(fd, &object);
	ours = object.type && bpf_map_lookup_elem(&own_objects, &object);
	if (own() ? routine_command(command) || command == PROG_TEST_RUN : routine_command(command) && !ours)
		return 0;
	about.id = object.type ? object.id : what;
	about.type = object.type;
	about.fd = fd;
	about.ours = ours;
	report_object(&c, ret, &about);
	return 0;
}
