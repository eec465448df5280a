/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to rtnetlink that name a process, for its network namespace
 *
 * The kernel looks the number up before it asks for any right.  So a request
 * that names nobody whom the sender sees is not sent.
 */
#ifndef NETLINK_H
#define NETLINK_H

#include "numbers.h"

/* No request has more parts than fit into what a socket may send at a time. */
#define PARTS	65536

/* Where in a buffer one is: before a request, or before an attribute of one */
struct place_in {
	__u64 at;
	__u64 end;
	int wanted;
	bool found;
};

/* From the first byte of a part to that of the next one */
static __always_inline __u64 aligned(__u64 length)
{
	return (length + 3) & ~3ULL;
}

static long look_at_attribute(__u32 step, struct place_in *in)
{
	const struct nlattr *attribute;
	const struct upid *value;
	__u64 length;

	if (in->at + sizeof(*attribute) > in->end)
		return 1;
	attribute = bpf_rdonly_cast((void *)in->at,
				    bpf_core_type_id_kernel(struct nlattr));
	length = attribute->nla_len;
	if (length < sizeof(*attribute) || in->at + length > in->end)
		return 1;
	if ((attribute->nla_type & NLA_TYPE_MASK) == in->wanted) {
		/* Of which only the number is read: any other struct would do. */
		value = bpf_rdonly_cast((void *)in->at + sizeof(*attribute),
					bpf_core_type_id_kernel(struct upid));
		if (names_nobody(value->nr)) {
			in->found = true;
			return 1;
		}
	}
	in->at += aligned(length);
	return 0;
}

static long look_at_request(__u32 step, struct place_in *in)
{
	struct place_in inside = {};
	const struct nlmsghdr *head;
	__u64 length;

	if (in->at + sizeof(*head) > in->end)
		return 1;
	head = bpf_rdonly_cast((void *)in->at,
			       bpf_core_type_id_kernel(struct nlmsghdr));
	length = head->nlmsg_len;
	if (length < sizeof(*head) || in->at + length > in->end)
		return 1;
	inside.at = in->at + sizeof(*head);
	inside.end = in->at + length;
	switch (head->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_SETLINK:
		inside.at += SIZE_OF_IFINFOMSG;
		inside.wanted = IFLA_NET_NS_PID;
		break;
	case RTM_NEWNSID:
	case RTM_GETNSID:
		inside.at += SIZE_OF_RTGENMSG;
		inside.wanted = NETNSA_PID;
		break;
	}
	if (inside.wanted)
		bpf_loop(PARTS, look_at_attribute, &inside, 0);
	if (inside.found) {
		in->found = true;
		return 1;
	}
	in->at += aligned(length);
	return 0;
}

static __always_inline bool requests_of_nobody(const struct sk_buff *buffer)
{
	struct place_in in = {};

	if (!bpf_rdonly_cast)
		return false;
	in.at = (__u64)buffer->data;
	in.end = in.at + buffer->len;
	bpf_loop(PARTS, look_at_request, &in, 0);
	return in.found;
}

#endif /* NETLINK_H */
