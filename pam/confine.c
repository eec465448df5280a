// SPDX-License-Identifier: GPL-2.0-or-later
/* Carrying a plan out */
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "cleanup.h"
#include "module.h"

/*
 * The caller is the main thread, and what it forks is the session.  Other
 * threads of the application stay outside and never become the user.
 */
#define THREAD	PR_PTRACE_SCOPE_F_THREAD

/**
 * has_domain - is the caller in a domain, of whatever kind?
 *
 * A BPF program shows its domains in no file, but answers for the caller's: one
 * that passes neither test would confine nothing.
 */
bool has_domain(void)
{
	struct ys_domain_info info;

	return ys_describe(getpid(), &info) == 1 ||
	       ys_check(PR_PTRACE_SCOPE_RELATIONAL, PR_PTRACE_VIEW_ALL) >= 0 ||
	       ys_check(PR_PTRACE_SCOPE_CLASSIC, PR_PTRACE_VIEW_USER) >= 0;
}

/*
 * A process that must not be seen afterwards: pid 1 is in nobody's session,
 * unless it is the login itself (a container that starts with one).  Where
 * only a procfs hides and the policy keeps the host's, there is none.
 */
static pid_t outsider(const struct plan *plan)
{
	if (getpid() == 1)
		return 0;
	return plan->enforcer == YS_YAMA || plan->mount >= 0 ? 1 : 0;
}

/*
 * Pid 1 is hidden from who has no capabilities by the options of a ptraceable
 * procfs alone.  That the programs hide, and do not only answer, shows in a
 * process without them; from inside a domain it might be in the new one, too.
 */
static bool takes_bystander(const struct plan *plan)
{
	return plan->enforcer == YS_BPF && plan->view && outsider(plan) &&
	       !has_domain();
}

/*
 * To join the domain is to leave the present one.  Where the kernel refuses
 * that (level 3, a tracer, other threads), the session is nested: never looser
 * than asked.  Without a token it is nested from the start.
 */
static int apply_token(const struct plan *plan, bool *ret_nested)
{
	bool inside = plan->enforcer != YS_LANDLOCK && has_domain();
	int r;

	if (plan->token >= 0) {
		r = ys_token_apply(plan->enforcer, plan->token, THREAD);
		if ((r != -EPERM && r != -EBUSY) || !inside)
			return r;
	}
	*ret_nested = inside;
	return ys_enter(plan->scope, plan->view, THREAD);
}

/*
 * The procfs first: a domain must never be entered by a login that then
 * fails.  It takes its own namespace, and from there only refusal leads out.
 */
static int apply(const struct plan *plan, int mount, pid_t outside,
		 bool *ret_nested)
{
	int r;

	if (mount >= 0) {
		/*
		 * yama judges descriptors too; the others would leave the
		 * host's view on an inherited stdin.
		 */
		r = ys_procfs_attach(mount, plan->enforcer == YS_YAMA ? 0 :
				     YS_ATTACH_STRICT);
		if (r < 0)
			return r;
	}
	r = apply_token(plan, ret_nested);
	if (r < 0)
		return r;
	return ys_verify(plan->enforcer, plan->scope, plan->view, outside);
}

static int confine(const struct plan *plan, int mount, bool *ret_nested)
{
	pid_t bystander;
	int fd, r;

	if (!takes_bystander(plan))
		return apply(plan, mount, outsider(plan), ret_nested);
	fd = ys_bystander(&bystander);
	if (fd < 0)
		return fd;
	r = apply(plan, mount, bystander, ret_nested);
	ys_bystander_end(fd, bystander);
	return r;
}

/* The same in a child, with a procfs of its own: a mount moves only once */
static int confine_child(const struct plan *plan)
{
	int mount = -1;
	bool nested;

	if (plan->mount >= 0) {
		mount = ys_procfs_new(plan->enforcer == YS_YAMA &&
				      plan->proc != PROC_PTRACEABLE ?
				      YS_HIDEPID_OFF : YS_HIDEPID_PTRACEABLE);
		if (mount < 0)
			return mount;
	}
	return confine(plan, mount, &nested);
}

/*
 * Root is let in when confining root cannot work, and that must be known
 * while there is a way back.
 */
static int rehearse(const struct plan *plan)
{
	long pid = ys_child();

	if (pid < 0)
		return (int)pid;
	if (pid == 0)
		_exit(-confine_child(plan));
	return ys_child_status((pid_t)pid);
}

/* Where a procfs hides by itself, the one of the session left behind must go too */
static int leave_procfs(void)
{
	int mount, r;

	if (ys_is_series())
		return 0;
	mount = ys_procfs_as_init();
	if (mount < 0)
		return mount == -EALREADY ? 0 : mount;
	r = ys_procfs_attach(mount, 0);
	close(mount);
	return r;
}

/* Nothing to apply; a domain that cannot be left only confines more */
static void open_unconfined(const struct login *login)
{
	int r;

	if (!has_domain())
		return;
	r = ys_leave(THREAD);
	if (r < 0)
		pam_syslog(login->pamh, LOG_WARNING,
			   "%s remains in the present domain, which cannot be left: %s",
			   login->user, strerrordesc_np(-r));
	else if ((r = leave_procfs()) < 0)
		pam_syslog(login->pamh, LOG_WARNING,
			   "%s sees no more in /proc than the session that is left: %s",
			   login->user, strerrordesc_np(-r));
}

/**
 * plan_carry_out - make the calling process what the plan says
 * @login: who logs in
 * @plan:  a checked plan
 *
 * Return: 0, or a negative errno.  If @plan->begun is set then, the process
 * is neither what it was nor what it should be and must not become a login,
 * root's included: half-confined is the one state that nobody asked for.
 */
int plan_carry_out(const struct login *login, struct plan *plan)
{
	bool nested = false;
	int r;

	if (plan->action == ACTION_STAY)
		return 0;
	if (!plan->enforcer) {
		open_unconfined(login);
		return 0;
	}
	if (login->uid == 0) {
		r = rehearse(plan);
		if (r < 0)
			return r;
	}
	plan->begun = true;
	r = confine(plan, plan->mount, &nested);
	if (r == 0 && nested)
		pam_syslog(login->pamh, LOG_NOTICE,
			   "session of %s is nested in the present domain, which cannot be left",
			   login->user);
	return r;
}
