// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Sockets. What the kernel keeps (addresses of a socket that is bound or connected) is taken from the socket; what only
 * the caller had (where a refused connection was to go, where one datagram goes) from the call's arguments.
 */
#include <bpf/bpf_endian.h>

#include "entry.h"
#include "socket.h"

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define EAGAIN 11
#define EINPROGRESS 115
#define SENDMMSG_MAX 8 /* messages of one sendmmsg whose addresses are looked at */

static __always_inline bool socket_compat(const struct call *c)
{
	return c->flags & (SHRIKE_F_COMPAT32 | SHRIKE_F_X32);
}

/* Turns socketcall(2) into the call that it stands for. */
static __always_inline bool unpack_socketcall(struct call *c)
{
	__u32 arg[6] = {};

	/* No call has more than six; how many it has does not matter, as what lies behind is only not used. */
	if (bpf_probe_read_user(arg, sizeof(arg), (const void *)c->arg[1]) &&
	    bpf_probe_read_user(arg, 2 * sizeof(arg[0]), (const void *)c->arg[1]))
		return false;
	switch (c->arg[0]) {
	case 1:
		c->id = SHRIKE_CALL_socket;
		break;
	case 2:
		c->id = SHRIKE_CALL_bind;
		break;
	case 3:
		c->id = SHRIKE_CALL_connect;
		break;
	case 4:
		c->id = SHRIKE_CALL_listen;
		break;
	case 5:
	case 18:
		c->id = SHRIKE_CALL_accept4;
		break;
	case 11:
		c->id = SHRIKE_CALL_sendto;
		break;
	case 16:
		c->id = SHRIKE_CALL_sendmsg;
		break;
	case 20:
		c->id = SHRIKE_CALL_sendmmsg;
		break;
	default:
		return false;
	}
#pragma unroll
	for (int i = 0; i < 6; i++)
		c->arg[i] = arg[i];
	return true;
}

static __always_inline enum shrike_kind network_kind(__u32 id)
{
	switch (id) {
	case SHRIKE_CALL_socket:
		return SHRIKE_SOCKET;
	case SHRIKE_CALL_bind:
		return SHRIKE_BIND;
	case SHRIKE_CALL_listen:
		return SHRIKE_LISTEN;
	case SHRIKE_CALL_accept:
	case SHRIKE_CALL_accept4:
		return SHRIKE_ACCEPT;
	case SHRIKE_CALL_connect:
		return SHRIKE_CONNECT;
	case SHRIKE_CALL_sendto:
	case SHRIKE_CALL_sendmsg:
	case SHRIKE_CALL_sendmmsg:
		return SHRIKE_SENDTO;
	default:
		return SHRIKE_NONE;
	}
}

static __always_inline struct scratch *network_begin(struct task_struct *task, const struct call *c, long ret,
						     enum shrike_kind kind)
{
	struct scratch *s;

	if (!within_budget(0)) {
		count_lost(SHRIKE_CLASS_NETWORK, SHRIKE_LOST_BUDGET);
		return NULL;
	}
	s = record_begin(CONTEXT_TASK, kind);
	if (!s)
		return NULL;
	record_task(&s->record, task);
	record_call(&s->record, c, ret);
	return s;
}

/*
 * One datagram or stream piece with an address of its own. Global, as socket_event is: the verifier looks at it once, not
 * at every call.
 */
__weak __noinline int send_to(const struct call *c, long ret, __u64 user, __u32 length)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct address address = {};
	struct scratch *s;
	struct sock *sk;

	if (!c || !read_address(&address, user, length, false))
		return 0;
	s = network_begin(task, c, ret, SHRIKE_SENDTO);
	if (!s)
		return 0;
	sk = socket_of_file(file_of(task, c->arg[0]));
	if (sk)
		record_socket(&s->record, sk);
	record_address(&s->record.socket, &address, false);
	if (address.family == AF_UNIX)
		record_unix_path(s, user, length, false);
	record_finish(s, SHRIKE_CLASS_NETWORK, s->record.task.tgid);
	return 0;
}

/* The name and its length at the head of a struct msghdr, native or with 32-bit pointers. */
static __always_inline bool message_name(const struct call *c, __u64 message, __u64 *name, __u32 *length)
{
	if (socket_compat(c)) {
		__u32 head[2];

		if (bpf_probe_read_user(head, sizeof(head), (const void *)message))
			return false;
		*name = head[0];
		*length = head[1];
	} else {
		__u64 head[2];

		if (bpf_probe_read_user(head, sizeof(head), (const void *)message))
			return false;
		*name = head[0];
		*length = head[1];
	}
	return *name != 0;
}

static __always_inline void send_event(const struct call *c, long ret)
{
	const __u32 stride = socket_compat(c) ? 32 : 64; /* sizeof(struct mmsghdr) */
	__u64 name;
	__u32 length;

	if (c->id == SHRIKE_CALL_sendto) {
		if (c->arg[4])
			send_to(c, ret, c->arg[4], c->arg[5]);
		return;
	}
	for (int i = 0; i < SENDMMSG_MAX; i++) {
		if (i && (c->id == SHRIKE_CALL_sendmsg || i >= ret))
			return;
		if (message_name(c, c->arg[1] + i * stride, &name, &length))
			send_to(c, ret, name, length);
	}
}

/* Where the address that a call is given stands, of sendmmsg the first message's. False when it is given none. */
static __always_inline bool address_argument(const struct call *c, __u64 *user, __u32 *length)
{
	switch (c->id) {
	case SHRIKE_CALL_bind:
	case SHRIKE_CALL_connect:
		*user = c->arg[1];
		*length = c->arg[2];
		break;
	case SHRIKE_CALL_sendto:
		*user = c->arg[4];
		*length = c->arg[5];
		break;
	case SHRIKE_CALL_sendmsg:
	case SHRIKE_CALL_sendmmsg:
		return message_name(c, c->arg[1], user, length);
	default:
		return false;
	}
	return *user != 0;
}

#define ADDRESS_MAX 112 /* all of a struct sockaddr_un, in whole words */

/* The address's bytes, zeros behind them. Negative when they could not be read. */
static __always_inline __s32 copy_address(char *to, __u64 user, __u32 length)
{
	__u64 n = at_most(length, ADDRESS_MAX);

	__builtin_memset(to, 0, ADDRESS_MAX);
	if (bpf_probe_read_user(to, n, (const void *)user))
		return -1;
	return n;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(keep_address, struct pt_regs *regs, long id)
{
	struct entry *e;
	struct call c;
	__u32 length, call;
	__u64 user;

	if (!read_call(regs, false, &c) || own())
		return 0;
	call = c.id;
	if (call == SHRIKE_CALL_socketcall && !unpack_socketcall(&c))
		return 0;
	if (!address_argument(&c, &user, &length))
		return 0;
	e = bpf_task_storage_get(&entries, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!e)
		return 0;
	e->call = call;
	e->length[0] = copy_address(e->text[0], user, length);
	return 0;
}

/* One of the two addresses of a changed argument, from its bytes. */
static __always_inline void record_changed(struct scratch *s, const char *bytes, __s32 length, bool at_entry)
{
	struct shrike_socket *o = &s->record.socket;
	struct address a;

	a.family = *(const __u16 *)bytes;
	a.port = *(const __u16 *)(bytes + 2);
	__builtin_memcpy(a.ip4, bytes + 4, 4);
	__builtin_memcpy(a.ip6, bytes + 8, 16);
	record_address(o, &a, at_entry);
	if (at_entry)
		o->type = a.family; /* record_address has one place for both */
	else
		o->protocol = a.family;
	if (a.family == AF_UNIX && length > 2)
		record_bytes(s, at_entry ? SHRIKE_S_PATH : SHRIKE_S_BASE2, bytes + 2, length - 2, SHRIKE_SPAN_USER);
}

/* Says so when the address is no longer what it was at entry. Global, as socket_event is. */
__weak __noinline int report_address(const struct call *c, long ret, struct entry *e)
{
	char now[ADDRESS_MAX];
	struct scratch *s;
	__u32 length;
	__u64 user;
	__s32 n;
	int i;

	if (!c || !e || e->length[0] < 0 || !address_argument(c, &user, &length))
		return 0;
	n = copy_address(now, user, length);
	if (n < 0)
		return 0;
	for (i = 0; i < ADDRESS_MAX; i += 8)
		if (*(__u64 *)(now + i) != *(const __u64 *)(e->text[0] + i))
			break;
	if (i >= ADDRESS_MAX)
		return 0;
	s = record_begin(CONTEXT_TASK, SHRIKE_TOCTOU);
	if (!s)
		return 1;
	record_current();
	record_call(&s->record, c, ret);
	record_changed(s, e->text[0], e->length[0], true);
	record_changed(s, now, n, false);
	s->record.socket.family = s->record.socket.type;
	s->record.socket.type = 0;
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return 1;
}

/* bind, connect: the socket has the address, unless the call failed; then the arguments have. */
static __always_inline void record_named(struct scratch *s, const struct call *c, long ret, struct sock *sk, bool local)
{
	struct shrike_socket *socket = &s->record.socket;
	struct address address = {};

	if (ret >= 0 && socket->family == AF_UNIX && sk && record_unix_socket(s, sk, !local))
		return;
	if (ret >= 0 && local)
		return;
	if (!local && socket->remote_port && (ret >= 0 || ret == -EINPROGRESS))
		return;
	if (!read_address(&address, c->arg[1], c->arg[2], false))
		return;
	record_address(socket, &address, local);
	if (address.family == AF_UNIX)
		record_unix_path(s, c->arg[1], c->arg[2], false);
}

__weak __noinline int socket_event(const struct call *c, long ret, __u32 kind)
{
	const bool made = kind == SHRIKE_SOCKET || kind == SHRIKE_ACCEPT;
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct sock *sk;

	if (!c)
		return 0;
	s = network_begin(task, c, ret, kind);
	if (!s)
		return 0;
	if (kind == SHRIKE_SOCKET)
		s->record.arg[3] = ret;
	sk = socket_of_file(file_of(task, made ? ret : c->arg[0]));
	if (sk) {
		record_socket(&s->record, sk);
	} else if (kind == SHRIKE_SOCKET) {
		s->record.socket.family = c->arg[0];
		s->record.socket.type = c->arg[1] & 0xf;
		s->record.socket.protocol = c->arg[2];
	}
	if (kind == SHRIKE_BIND || kind == SHRIKE_CONNECT)
		record_named(s, c, ret, sk, kind == SHRIKE_BIND);
	else if (sk && s->record.socket.family == AF_UNIX && kind != SHRIKE_SOCKET)
		record_unix_socket(s, sk, false);
	record_finish(s, SHRIKE_CLASS_NETWORK, s->record.task.tgid);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_network, struct pt_regs *regs, long result)
{
	enum shrike_kind kind;
	struct entry *e;
	struct call c;
	long ret;

	if (!read_call(regs, true, &c) || own())
		return 0;
	ret = call_result(&c, result);
	e = kept(bpf_get_current_task_btf(), &c);
	if (c.id == SHRIKE_CALL_socketcall && !unpack_socketcall(&c))
		return 0;
	kind = network_kind(c.id);
	if (e)
		report_address(&c, ret, e);
	/* A connection that is still being made counts as made. */
	if (!kind || !result_wanted(kind, kind == SHRIKE_CONNECT && ret == -EINPROGRESS ? 0 : ret))
		return 0;
	if (kind == SHRIKE_SENDTO)
		send_event(&c, ret);
	else if (!(kind == SHRIKE_ACCEPT && ret == -EAGAIN))
		socket_event(&c, ret, kind);
	return 0;
}

/* A socket that becomes standard input, output or error: half of a reverse shell. */
SEC("tp_btf/sys_exit")
int BPF_PROG(exit_dup, struct pt_regs *regs, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *s;
	struct sock *sk;
	struct call c;
	long ret;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, result);
	if (ret < 0 || ret > 2 || own())
		return 0;
	if ((c.id == SHRIKE_CALL_fcntl || c.id == SHRIKE_CALL_fcntl64) && c.arg[1] != F_DUPFD &&
	    c.arg[1] != F_DUPFD_CLOEXEC)
		return 0;
	sk = socket_of_file(file_of(task, ret));
	if (!sk)
		return 0;
	s = network_begin(task, &c, ret, SHRIKE_DUP);
	if (!s)
		return 0;
	s->record.arg[1] = ret;
	record_socket(&s->record, sk);
	if (s->record.socket.family == AF_UNIX)
		record_unix_socket(s, sk, false);
	record_finish(s, SHRIKE_CLASS_NETWORK, s->record.task.tgid);
	return 0;
}

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10

/* Changes that a process makes by a call of its own. All others come with a packet, in whatever task it interrupts. */
static __always_inline bool by_process(int from, int to)
{
	return to == TCP_SYN_SENT || to == TCP_LISTEN || from == TCP_LISTEN || to == TCP_FIN_WAIT1 || to == TCP_LAST_ACK;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_tcp_state, struct sock *sk, int from, int to)
{
	struct small_scratch *s;

	if (!kind_wanted(SHRIKE_TCP_STATE) || !reporting())
		return 0;
	count_run(SHRIKE_ON_TCP_STATE);
	if (by_process(from, to) && own())
		return 0;
	s = small_record_begin(CONTEXT_SOCKET, SHRIKE_TCP_STATE);
	if (!s)
		return 0;
	record_socket(&s->record, sk);
	if (s->record.socket.protocol != 6 /* IPPROTO_TCP; also called for SCTP and DCCP */)
		return 0;
	s->record.socket.state = to;
	s->record.socket.old_state = from;
	if (by_process(from, to))
		record_task(&s->record, bpf_get_current_task_btf());
	small_record_finish(s, SHRIKE_CLASS_NETWORK, s->record.task.tgid);
	return 0;
}
