/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The domain of a task, and what it may see */
#ifndef DOMAIN_H
#define DOMAIN_H

#include "kernel.h"
#include "bpf_abi.h"
#include "yama_abi.h"

/* A task's domain; none where it has no entry.  It ends with the task. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ys_bpf_domain);
} members SEC(".maps");

/* Has any security program run?  Without bpf in lsm= none ever does. */
static volatile bool alive;

static __always_inline struct ys_bpf_domain *domain_of(struct task_struct *task)
{
	struct ys_bpf_domain *domain;

	domain = bpf_task_storage_get(&members, task, NULL, 0);
	return domain && domain->depth ? domain : NULL;
}

static __always_inline unsigned int user_ns_of(const struct cred *cred)
{
	return cred->user_ns->ns.inum;
}

/* All capabilities that are asked for here are in the lower half */
static __always_inline bool has_capability(const struct cred *cred, int cap)
{
	const __u32 *low = __builtin_preserve_access_index(
		(const void *)&cred->cap_effective);

	return *low & (1U << cap);
}

/*
 * The initial namespace is over all; of the others only the very one counts,
 * so the owner of a namespace has fewer rights here than the kernel gives him.
 */
static __always_inline bool is_over(unsigned int own, unsigned int user_ns)
{
	return own == PROC_USER_INIT_INO || own == user_ns;
}

/* The namespace that a task has CAP_SYS_PTRACE in, 0 for none */
static __always_inline unsigned int ptrace_ns(const struct cred *cred)
{
	return has_capability(cred, CAP_SYS_PTRACE) ? user_ns_of(cred) : 0;
}

/* Is somebody's capability what a set-user-ID program has gained for its caller? */
static __always_inline bool is_deputy(const struct cred *cred)
{
	return cred->uid.val != cred->euid.val;
}

/*
 * The next three are functions of their own for the verifier too, which goes
 * through their loops once and not wherever they are called.  To it arguments
 * may be missing.
 */

/* How many levels two domains have in common; either may be NULL */
__noinline int shared_levels(const struct ys_bpf_domain *one,
			     const struct ys_bpf_domain *other)
{
	int level;

	if (!one || !other)
		return 0;
#pragma clang loop unroll(disable)
	for (level = 0; level < YS_BPF_DEPTH; level++)
		if (level >= one->depth || level >= other->depth ||
		    one->chain[level] != other->chain[level])
			break;
	return level;
}

/**
 * sees - does a domain show a task?
 * @viewer:   the domain of the task that looks
 * @shared:   how many of its levels the other task is in
 * @inferior: is that one a descendant of the one that looks?
 * @own:      is its real uid that of the one that looks?
 * @capable:  the namespace that the one that looks has CAP_SYS_PTRACE in, or 0
 *
 * Returns 0 if one of the viewer's levels hides the task, and the viewer is not
 * capable over that one.
 */
__noinline int sees(const struct ys_bpf_domain *viewer, int shared,
		    int inferior, int own, unsigned int capable)
{
	bool inferiors = false;
	int level, bound = 0;

	if (!viewer || capable == PROC_USER_INIT_INO)
		return 1;
#pragma clang loop unroll(disable)
	for (level = 0; level < YS_BPF_DEPTH; level++) {
		if (level >= viewer->depth)
			break;
		if (viewer->view[level] == PR_PTRACE_VIEW_ALL ||
		    (viewer->view[level] == PR_PTRACE_VIEW_USER && own) ||
		    viewer->owner[level] == capable)
			continue;
		bound = level + 1;
		inferiors |= viewer->view[level] == PR_PTRACE_VIEW_INFERIORS;
	}
	return shared >= bound && (inferior || !inferiors);
}

/**
 * is_free_of - is a task exempt from the inner levels of its domain?
 * @from:    its domain
 * @kept:    how many levels are not asked about
 * @capable: the namespace that it has CAP_SYS_PTRACE in, or 0
 *
 * Returns 0 if it is not capable over one of them.
 */
__noinline int is_free_of(const struct ys_bpf_domain *from, int kept,
			  unsigned int capable)
{
	int level, bound = 0;

	if (!from || capable == PROC_USER_INIT_INO)
		return 1;
#pragma clang loop unroll(disable)
	for (level = 0; level < YS_BPF_DEPTH; level++) {
		if (level >= from->depth)
			break;
		if (from->owner[level] != capable)
			bound = level + 1;
	}
	return kept >= bound;
}

/* A process by its number in a PID namespace, which may be gone */
struct ys_named {
	int nr;			/* -1: everybody */
	unsigned int level;
	unsigned int ns;
};

#define CASE_OF_LEVEL(pid, which, ret_nr, ret_ns)			\
	case which:							\
		ret_nr = (pid)->numbers[which].nr;			\
		ret_ns = (pid)->numbers[which].ns->ns.inum;		\
		break

/*
 * The number of a process at a level of PID namespaces, and which one that is.
 * A program may follow constant offsets alone, so deeper ones are left out.
 */
static __always_inline struct ys_named numbered(struct task_struct *task,
						unsigned int level)
{
	const struct pid *pid = task->group_leader->thread_pid;
	struct ys_named found = { .level = level };

	if (!pid || pid->level < level)
		return found;
	switch (level) {
	CASE_OF_LEVEL(pid, 0, found.nr, found.ns);
	CASE_OF_LEVEL(pid, 1, found.nr, found.ns);
	CASE_OF_LEVEL(pid, 2, found.nr, found.ns);
	CASE_OF_LEVEL(pid, 3, found.nr, found.ns);
	CASE_OF_LEVEL(pid, 4, found.nr, found.ns);
	}
	return found;
}

struct ascent {
	struct task_struct *task;
	int tgid;
	struct ys_named named;
	bool found;
};

static long ascend(__u32 step, struct ascent *ascent)
{
	int passed = ascent->task->tgid;

	ascent->found = passed == ascent->tgid;
	if (ascent->found || !passed)
		return 1;
	ascent->task = ascent->task->real_parent;
	return 0;
}

/* Is a task of the process @tgid, or a descendant of it? */
static __always_inline bool descends_from(struct task_struct *task, int tgid)
{
	struct ascent ascent = { .task = task, .tgid = tgid };

	bpf_loop(YS_BPF_ANCESTORS, ascend, &ascent, 0);
	return ascent.found;
}

static long ascend_by_number(__u32 step, struct ascent *ascent)
{
	struct ys_named own = numbered(ascent->task, ascent->named.level);

	ascent->found = own.nr == ascent->named.nr && own.ns == ascent->named.ns;
	if (ascent->found || !ascent->task->tgid)
		return 1;
	ascent->task = ascent->task->real_parent;
	return 0;
}

/* The same for a process that is named by a number of some PID namespace */
static __always_inline bool descends_from_named(struct task_struct *task,
						const struct ys_named *named)
{
	struct ascent ascent = { .task = task, .named = *named };

	bpf_loop(YS_BPF_ANCESTORS, ascend_by_number, &ascent, 0);
	return ascent.found;
}

/* The kernel's threads are nobody's, whatever uid they have */
static __always_inline bool is_of(unsigned int uid, struct task_struct *target)
{
	return uid == target->real_cred->uid.val &&
	       !(target->flags & PF_KTHREAD);
}

/**
 * struct viewer - who looks, apart from what relates it to single processes
 * @domain:  what it is in
 * @uid:     its real user
 * @capable: the namespace that it has CAP_SYS_PTRACE in, or 0
 */
struct viewer {
	const struct ys_bpf_domain *domain;
	unsigned int uid;
	unsigned int capable;
};

/* Does a domain show a task, apart from its group leader? */
static __always_inline bool shows(const struct viewer *viewer,
				  struct task_struct *target, bool inferior)
{
	return sees(viewer->domain,
		    shared_levels(viewer->domain, domain_of(target)), inferior,
		    is_of(viewer->uid, target), viewer->capable);
}

/* A process is judged by the thread that is looked at, and by its main one. */
static __always_inline bool shows_process(const struct viewer *viewer,
					  struct task_struct *target,
					  bool inferior)
{
	return shows(viewer, target, inferior) &&
	       shows(viewer, target->group_leader, inferior);
}

/* Whoever traces a process looks into it anyway, from before it was hidden. */
static __always_inline bool traces(struct task_struct *viewer,
				   struct task_struct *target)
{
	return target->ptrace && target->parent->tgid == viewer->tgid;
}

/*
 * A set-user-ID program looks names up that its caller has given, and reports
 * what it finds, so what it has gained does not count.  It finds what is on
 * every system all the same: the first process, of which pam_limits(8) reads
 * the limits, and kthreadd, without which firejail(1) takes it for a container.
 */
static __always_inline unsigned int looks_with(const struct cred *cred,
					       struct task_struct *target)
{
	return is_deputy(cred) && target->tgid > 2 ? 0 : ptrace_ns(cred);
}

/**
 * is_visible - does a task exist for another one?
 * @viewer: the task that looks
 * @cred:   what it looks with
 * @target: the task that is looked at
 */
static __always_inline bool is_visible(struct task_struct *viewer,
				       const struct cred *cred,
				       struct task_struct *target)
{
	const struct ys_bpf_domain *domain = domain_of(viewer);
	struct viewer looking;
	bool inferior;

	if (!domain || domain->max_view == PR_PTRACE_VIEW_ALL ||
	    target->tgid == viewer->tgid || traces(viewer, target) ||
	    traces(viewer, target->group_leader))
		return true;
	inferior = domain->max_view == PR_PTRACE_VIEW_INFERIORS &&
		   descends_from(target, viewer->tgid);
	looking.domain = domain;
	looking.uid = cred->uid.val;
	looking.capable = looks_with(cred, target);
	return shows_process(&looking, target, inferior);
}

/* Are processes hidden from a task at all? */
static __always_inline bool is_limited(struct task_struct *task)
{
	const struct ys_bpf_domain *domain = domain_of(task);
	const struct cred *cred = task->cred;

	return domain && domain->max_view != PR_PTRACE_VIEW_ALL &&
	       (is_deputy(cred) || ptrace_ns(cred) != PROC_USER_INIT_INO);
}

/*
 * Has one process started the other?  A parent that was got when one's own
 * exited has not, so neither a subreaper nor the first process of a PID
 * namespace counts as one: of their children it cannot be told.
 */
static __always_inline bool has_started(struct task_struct *parent,
					struct task_struct *child)
{
	return child->real_parent->tgid == parent->tgid &&
	       !(parent->signal->flags & SIGNAL_UNKILLABLE) &&
	       !BPF_CORE_READ_BITFIELD(parent->signal, is_child_subreaper);
}

#endif /* DOMAIN_H */
