/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* Sockets and addresses: struct shrike_socket and the path of a Unix socket, from kernel objects or from user memory. */
#ifndef SHRIKE_SOCKET_H
#define SHRIKE_SOCKET_H

#include "filter.h"
#include "kernel.h"
#include "path.h"
#include "ring.h"

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define UNIX_PATH_MAX 108

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
} __kernel_type;

struct sock_common {
	__u32 skc_daddr, skc_rcv_saddr;
	__u16 skc_dport, skc_num; /* network order, host order */
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
} __kernel_type;

struct sock {
	struct sock_common __sk_common;
	__u16 sk_type, sk_protocol;
} __kernel_type;

struct socket {
	struct sock *sk;
} __kernel_type;

struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[UNIX_PATH_MAX];
} __kernel_type;

struct unix_address {
	int len;
	struct sockaddr_un name[];
} __kernel_type;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} __kernel_type;

/* The start of every struct sockaddr that we know. */
struct address {
	__u16 family;
	__u16 port; /* network order */
	__u8 ip4[4];
	__u8 ip6[16];
};

/* The socket behind an open file, or NULL when it is none. */
static __always_inline struct sock *socket_of_file(struct file *file)
{
	struct inode *inode;
	struct socket *socket;
	struct sock *sk;

	if (!file)
		return NULL;
	inode = LOAD(file, f_inode);
	if ((LOAD(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = CAST(struct socket, LOAD(file, private_data));
	sk = LOAD(socket, sk);
	return sk ? CAST(struct sock, sk) : NULL;
}

static __always_inline void record_socket(struct shrike_record *r, struct sock *sk)
{
	struct shrike_socket *o = &r->socket;

	o->family = LOAD(sk, __sk_common.skc_family);
	o->type = LOAD(sk, sk_type);
	o->protocol = LOAD(sk, sk_protocol);
	if (o->family == AF_INET) {
		*(__u32 *)o->local = LOAD(sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)o->remote = LOAD(sk, __sk_common.skc_daddr);
	} else if (o->family == AF_INET6) {
		bpf_probe_read_kernel(o->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(o->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		return;
	}
	o->local_port = LOAD(sk, __sk_common.skc_num);
	o->remote_port = bpf_ntohs(LOAD(sk, __sk_common.skc_dport));
}

/* Puts an address as given in place of a socket's own one. */
static __always_inline void record_address(struct shrike_socket *o, const struct address *a, bool local)
{
	__u8 *to = local ? o->local : o->remote;

	o->family = a->family;
	if (a->family == AF_INET) {
		__builtin_memset(to, 0, 16);
		__builtin_memcpy(to, a->ip4, 4);
	} else if (a->family == AF_INET6) {
		__builtin_memcpy(to, a->ip6, 16);
	} else {
		return;
	}
	if (local)
		o->local_port = bpf_ntohs(a->port);
	else
		o->remote_port = bpf_ntohs(a->port);
}

/* Reads an address that user memory holds. False when there is none that we could show. */
static __always_inline bool read_address(struct address *a, __u64 user, __u32 length, bool kernel)
{
	__u8 raw[32] = {};
	__u64 n = at_most(length, 28);

	if (!user || length < 2)
		return false;
	if (kernel ? bpf_probe_read_kernel(raw, n, (const void *)user)
		   : bpf_probe_read_user(raw, n, (const void *)user))
		return false;
	a->family = *(__u16 *)raw;
	a->port = *(__u16 *)(raw + 2);
	__builtin_memcpy(a->ip4, raw + 4, 4);
	__builtin_memcpy(a->ip6, raw + 8, 16);
	return a->family == AF_INET ? length >= 8 : a->family == AF_INET6 ? length >= 24 : true;
}

/*
 * A Unix socket's path from the `length` bytes of a struct sockaddr_un at `from`. The NUL that marks an abstract name
 * becomes '@', as everywhere.
 */
static __always_inline void record_unix_path(struct scratch *s, __u64 from, __u32 length, bool kernel)
{
	__u64 used = text_used(&s->record), n;
	const __u16 flags = kernel ? 0 : SHRIKE_SPAN_USER;
	const void *path = (const void *)(from + 2);
	long got;

	if (length <= 2)
		return;
	n = at_most(length - 2, UNIX_PATH_MAX);
	if (kernel ? bpf_probe_read_kernel(s->text + used, n, path) : bpf_probe_read_user(s->text + used, n, path)) {
		s->record.span[SHRIKE_S_BASE2].flags = flags | SHRIKE_SPAN_FAULT;
		return;
	}
	if (!s->text[used]) {
		s->text[used] = '@';
		record_span(&s->record, SHRIKE_S_BASE2, used, n, flags);
		return;
	}
	got = kernel ? bpf_probe_read_kernel_str(s->text + used, n + 1, path)
		     : bpf_probe_read_user_str(s->text + used, n + 1, path);
	if (got > 0)
		record_span(&s->record, SHRIKE_S_BASE2, used, got - 1, flags);
}

/* The path of a Unix socket: its own, or its peer's when it has none or `peer` is asked for. */
static __always_inline bool record_unix_socket(struct scratch *s, struct sock *sk, bool peer)
{
	struct unix_sock *unix_socket = CAST(struct unix_sock, sk);
	struct unix_address *address = peer ? NULL : LOAD(unix_socket, addr);
	struct sock *other;

	if (!address) {
		other = LOAD(unix_socket, peer);
		if (!other)
			return false;
		address = LOAD(CAST(struct unix_sock, other), addr);
		if (!address)
			return false;
	}
	address = CAST(struct unix_address, address);
	record_unix_path(s, (__u64)address + bpf_core_field_offset(struct unix_address, name), LOAD(address, len), true);
	return true;
}

#endif
