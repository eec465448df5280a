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

struct ascent {
	struct task_struct *task;
	int tgid;
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

/* The kernel's threads are nobody's, whatever uid they have */
static __always_inline bool is_own(const struct cred *cred,
				   struct task_struct *target)
{
	return cred->uid.val == target->real_cred->uid.val &&
	       !(target->flags & PF_KTHREAD);
}

/* Does a domain show a task, apart from its group leader? */
static __always_inline bool shows(const struct ys_bpf_domain *domain,
				  const struct cred *cred,
				  struct task_struct *target, bool inferior)
{
	return sees(domain, shared_levels(domain, domain_of(target)), inferior,
		    is_own(cred, target), ptrace_ns(cred));
}

/* Whoever traces a process looks into it anyway, from before it was hidden. */
static __always_inline bool traces(struct task_struct *viewer,
				   struct task_struct *target)
{
	return target->ptrace && target->parent->tgid == viewer->tgid;
}

/**
 * is_visible - does a task exist for another one?
 * @viewer: the task that looks
 * @cred:   what it looks with
 * @target: the task that is looked at, and is judged with its group leader
 */
static __always_inline bool is_visible(struct task_struct *viewer,
				       const struct cred *cred,
				       struct task_struct *target)
{
	const struct ys_bpf_domain *domain = domain_of(viewer);
	bool inferior;

	if (!domain || domain->max_view == PR_PTRACE_VIEW_ALL ||
	    target->tgid == viewer->tgid || traces(viewer, target) ||
	    traces(viewer, target->group_leader))
		return true;
	inferior = domain->max_view == PR_PTRACE_VIEW_INFERIORS &&
		   descends_from(target, viewer->tgid);
	return shows(domain, cred, target, inferior) &&
	       shows(domain, cred, target->group_leader, inferior);
}

#endif /* DOMAIN_H */
