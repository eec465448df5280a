/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of processes that a call names: is there anybody for who asks? */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "domain.h"

/*
 * A hook that is not told whom the call is about reads that from the caller's
 * registers, as amd64 has them; elsewhere no call is known.  None of these
 * numbers, the first for 64-bit programs and the other for 32-bit ones, is in
 * the other list that of a call with the same hook.
 */
#define KILL			62
#define KILL_32			37
#define TKILL			200
#define TKILL_32		238
#define TGKILL			234
#define TGKILL_32		270
#define RT_TGSIGQUEUEINFO	297
#define RT_TGSIGQUEUEINFO_32	335
#define PRLIMIT64		302
#define PRLIMIT64_32		340
#define PERF_EVENT_OPEN		298
#define PERF_EVENT_OPEN_32	336

/* Its arguments: the first, second and fifth, which are all that are asked for */
struct call {
	int nr;
	int first;
	int second;
	unsigned long fifth;
};

static __always_inline struct call call_of(struct task_struct *task)
{
	const struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	struct call call = {};

	if (!bpf_core_field_exists(regs->orig_ax))
		return call;
	call.nr = regs->orig_ax;
	switch (call.nr) {
	case KILL_32:
	case TKILL_32:
	case TGKILL_32:
	case RT_TGSIGQUEUEINFO_32:
	case PRLIMIT64_32:
	case PERF_EVENT_OPEN_32:
		call.first = regs->bx;
		call.second = regs->cx;
		call.fifth = regs->di;
		break;
	default:
		call.first = regs->di;
		call.second = regs->si;
		call.fifth = regs->r8;
	}
	return call;
}

enum found {
	NOBODY,		/* no process has the number */
	HIDDEN,
	VISIBLE,	/* or not known */
};

/*
 * Before 6.2 no program can tell, nor can one of the numbers in other PID
 * namespaces than the first.  For job control parent and child are not hidden
 * from one another.  To the verifier it is a function of its own.
 */
__noinline int find_number(int nr, int job_control)
{
	struct task_struct *viewer = bpf_get_current_task_btf();
	struct task_struct *target;
	bool visible;

	if (nr <= 0 || !bpf_task_from_pid || !bpf_task_release ||
	    !is_limited(viewer))
		return VISIBLE;
	target = bpf_task_from_pid(nr);
	if (!target)
		return NOBODY;
	visible = is_visible(viewer, viewer->cred, target) ||
		  (job_control && (has_started(viewer, target) ||
				   has_started(target, viewer)));
	bpf_task_release(target);
	return visible ? VISIBLE : HIDDEN;
}

/* What a call names is a number of the caller's own namespace. */
static __always_inline int find_named(int nr, bool job_control)
{
	if (bpf_get_current_task_btf()->thread_pid->level)
		return VISIBLE;
	return find_number(nr, job_control);
}

static __always_inline bool is_hidden_number(int nr, bool job_control)
{
	return find_named(nr, job_control) == HIDDEN;
}

/* Where the kernel has more to say before it looks for the number */
static __always_inline bool names_nobody(int nr)
{
	return find_named(nr, false) != VISIBLE;
}

/* What the kernel has looked up already, whatever namespace it was in */
static __always_inline bool is_hidden(const struct pid *pid)
{
	return find_number(pid->numbers[0].nr, false) == HIDDEN;
}

#endif /* NUMBERS_H */
