/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prctl(PR_PTRACE_SCOPE): what programs can answer of it
 *
 * A program cannot make a descriptor, so whoever holds many sessions in one
 * domain hands out keys, not descriptors.  The order of errors is that of the
 * kernel's interface: arguments, key, state of the caller, permission, depth,
 * memory.
 */
#ifndef CALLS_H
#define CALLS_H

#include "domain.h"

struct domain_key {
	__u64 half[2];
};

/* Domains that whoever knows the key may join; the service fills it */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct domain_key);
	__type(value, struct ys_bpf_domain);
} keys SEC(".maps");

/*
 * Other threads share the memory, so unless they enter too nobody is confined;
 * a caller that wants just that says F_THREAD.  Where another process shares it,
 * as after vfork(2), or the descriptors, either would be open to the other; but
 * a reader of /proc holds the memory for a moment, too, so that is to be tried
 * again.
 */
static __always_inline int check_state(struct task_struct *task, bool widens,
				       __u64 flags)
{
	bool threaded = task->signal->nr_threads > 1;

	if (task->cred != task->real_cred ||
	    task->files->count.counter > task->signal->nr_threads ||
	    (threaded && (widens || !(flags & PR_PTRACE_SCOPE_F_THREAD))))
		return -EBUSY;
	if (task->mm->mm_users.counter > task->signal->nr_threads)
		return -EAGAIN;
	return 0;
}

/* As for seccomp filters: set-user-ID programs must not find themselves confined */
static __always_inline bool may_enter(struct task_struct *task)
{
	return task->atomic_flags & PFA_NO_NEW_PRIVS ||
	       has_capability(task->cred, CAP_SYS_ADMIN);
}

/*
 * May a task stay in no more than @kept levels of its domain?  It may not be at
 * the scope that is meant to be final.  A tracer controls its tracee and must
 * not get out on its back, so none may be there.
 */
static __always_inline bool may_leave(struct task_struct *task,
				      const struct ys_bpf_domain *from, int kept)
{
	return from->scope != PR_PTRACE_SCOPE_NO_ATTACH && !task->ptrace &&
	       is_free_of(from, kept, ptrace_ns(task->cred));
}

static __always_inline bool is_valid(__u64 scope, __u64 view)
{
	return scope <= PR_PTRACE_SCOPE_NO_ATTACH &&
	       view <= PR_PTRACE_VIEW_INFERIORS;
}

/*
 * The version tells what the numbers mean.  It does not tell which operations
 * there are: those that programs cannot have are -EOPNOTSUPP in each.
 */
static __always_inline int call_has(__u64 abi)
{
	if (!abi)
		return -EINVAL;
	return abi <= YS_ABI ? 0 : -EOPNOTSUPP;
}

/*
 * A caller's entry is changed where it is, so that nothing can fail half-way.
 * Others may look at the caller meanwhile: the depth is written last, and where
 * more than one level changes it is 0 first.
 */
static __always_inline void nest(struct ys_bpf_domain *domain, __u64 depth,
				 __u8 scope, __u8 view, __u32 owner)
{
	__u64 level = depth - 1;
	bool nested = depth > 1;

	/* One copy of the index, with a bound that the verifier sees */
	barrier_var(level);
	level &= YS_BPF_DEPTH - 1;
	if (!nested)
		domain->depth = 0;
	barrier();
	domain->chain[level] = (__u64)bpf_get_prandom_u32() << 32 |
			       bpf_get_prandom_u32() | 1;
	domain->owner[level] = owner;
	domain->view[level] = view;
	if (!nested || domain->scope < scope)
		domain->scope = scope;
	if (!nested || domain->max_view < view)
		domain->max_view = view;
	barrier();
	domain->depth = depth;
}

static __always_inline int call_enter(struct task_struct *task, __u64 scope,
				      __u64 view, __u64 flags)
{
	struct ys_bpf_domain *domain = domain_of(task);
	bool widens = domain && flags & PR_PTRACE_SCOPE_F_TOPLEVEL;
	__u64 depth = domain && !widens ? domain->depth + 1 : 1;
	int rc;

	if (!is_valid(scope, view) ||
	    flags & ~(PR_PTRACE_SCOPE_F_THREAD | PR_PTRACE_SCOPE_F_TOPLEVEL |
		      PR_PTRACE_SCOPE_F_OVERRIDE))
		return -EINVAL;
	if (flags & PR_PTRACE_SCOPE_F_OVERRIDE)
		return -EOPNOTSUPP;
	rc = check_state(task, widens, flags);
	if (rc)
		return rc;
	if (!may_enter(task) || (widens && !may_leave(task, domain, 0)))
		return -EPERM;
	if (depth > YS_BPF_DEPTH)
		return -E2BIG;
	domain = bpf_task_storage_get(&members, task, NULL,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!domain)
		return -ENOMEM;
	nest(domain, depth, scope, view, user_ns_of(task->cred));
	return 0;
}

static __always_inline int call_join(struct task_struct *task, __u64 low,
				     __u64 high, __u64 flags)
{
	struct domain_key key = { { low, high } };
	struct ys_bpf_domain *domain = domain_of(task);
	const struct ys_bpf_domain *found;
	struct ys_bpf_domain to;
	bool widens;
	int kept, rc;

	if (flags & ~PR_PTRACE_SCOPE_F_THREAD)
		return -EINVAL;
	found = bpf_map_lookup_elem(&keys, &key);
	if (!found)
		return -ENOENT;
	to = *found;
	/* What is deleted may be another key's at once: was it there all the time? */
	if (!bpf_map_lookup_elem(&keys, &key))
		return -ENOENT;
	kept = shared_levels(domain, &to);
	widens = domain && kept < domain->depth;
	rc = check_state(task, widens, flags);
	if (rc)
		return rc;
	if (!may_enter(task) || (widens && !may_leave(task, domain, kept)))
		return -EPERM;
	domain = bpf_task_storage_get(&members, task, NULL,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!domain)
		return -ENOMEM;
	domain->depth = 0;
	barrier();
	__builtin_memcpy(domain, &to, __builtin_offsetof(typeof(to), depth));
	barrier();
	domain->depth = to.depth;
	return 0;
}

static __always_inline int call_leave(struct task_struct *task, __u64 flags)
{
	struct ys_bpf_domain *domain = domain_of(task);
	int rc;

	if (flags & ~PR_PTRACE_SCOPE_F_THREAD)
		return -EINVAL;
	rc = check_state(task, domain, flags);
	if (rc)
		return rc;
	if (!domain)
		return 0;
	if (!may_leave(task, domain, 0))
		return -EPERM;
	domain->depth = 0;
	return 0;
}

static __always_inline int call_check(struct task_struct *task, __u64 scope,
				      __u64 view)
{
	const struct ys_bpf_domain *domain = domain_of(task);

	if (!is_valid(scope, view))
		return -EINVAL;
	if (scope <= (domain ? domain->scope : 0) &&
	    view <= (domain ? domain->max_view : PR_PTRACE_VIEW_ALL))
		return 0;
	return -ENODATA;
}

/* Returns 0 or -errno, as the kernel's own would */
static __always_inline int scope_call(__u64 op, __u64 arg3, __u64 arg4,
				      __u64 arg5)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (!alive)
		return -EOPNOTSUPP;
	switch (op) {
	case PR_PTRACE_SCOPE_HAS:
		return arg4 || arg5 ? -EINVAL : call_has(arg3);
	case PR_PTRACE_SCOPE_ENTER:
		return call_enter(task, arg3, arg4, arg5);
	case PR_PTRACE_SCOPE_LEAVE:
		return arg4 || arg5 ? -EINVAL : call_leave(task, arg3);
	case PR_PTRACE_SCOPE_CHECK:
		return arg5 ? -EINVAL : call_check(task, arg3, arg4);
	case PR_PTRACE_SCOPE_JOIN_KEY:
		return call_join(task, arg3, arg4, arg5);
	case PR_PTRACE_SCOPE_CREATE:
	case PR_PTRACE_SCOPE_JOIN:
	case PR_PTRACE_SCOPE_OPEN:
	case PR_PTRACE_SCOPE_ALLOW:
		return -EOPNOTSUPP;
	}
	return -EINVAL;
}

#endif /* CALLS_H */
