// SPDX-License-Identifier: GPL-2.0-or-later
/* What to do while the service does not answer */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "cleanup.h"
#include "module.h"

static int in_group(gid_t gid, void *data)
{
	const struct login *login = data;

	return login->gid == gid ||
	       pam_modutil_user_in_group_uid_gid(login->pamh, login->uid, gid);
}

static bool is_exempt(const struct login *login)
{
	struct login copy = *login;
	const struct exempt_ask ask = {
		.uid = login->uid,
		.service = login->service,
		.in_group = in_group,
		.data = &copy,
	};
	int r;

	if (login->uid == 0)
		return true;
	r = exempt_read(&ask);
	if (r < 0)
		pam_syslog(login->pamh, LOG_WARNING,
			   "list of exempt users not usable (%s): only root is exempt",
			   strerrordesc_np(-r));
	return r == 1;
}

/*
 * Landlock does not tell whether a task is confined, so look for what it
 * does: root cannot reach pid 1, which the private procfs hides as well.
 */
static bool pid1_is_out_of_reach(void)
{
	struct stat st;

	return getpid() != 1 && kill(1, 0) < 0 && errno == EPERM &&
	       stat("/proc/1", &st) < 0 && errno == ENOENT;
}

static bool is_confined(const struct args *args)
{
	return has_domain() ||
	       (args->enforcer == YS_LANDLOCK && pid1_is_out_of_reach());
}

/* The programs of the enforcer bpf outlive the service that has loaded them */
static enum ys_enforcer choose(const struct args *args)
{
	if (args->enforcer)
		return args->enforcer;
	return ys_has(1) >= 0 && !ys_is_series() ? YS_BPF : YS_YAMA;
}

/*
 * What this user gets is not known, so what the policy gives to anybody is the
 * least.  A view may be weaker for that than the built-in one: to hide a user's
 * own jobs, which the policy shows to all, would do harm and protect nobody.
 */
static void apply_floor(const struct login *login, struct plan *plan)
{
	struct floor floor;
	int r;

	r = floor_read(&floor);
	if (r < 0) {
		pam_syslog(login->pamh, LOG_WARNING,
			   "floor of the policy not usable (%s): scope=%u view=%s by the module itself",
			   strerrordesc_np(-r), plan->scope,
			   ys_view_word(plan->view));
		return;
	}
	if (floor.scope > plan->scope)
		plan->scope = floor.scope;
	plan->view = floor.view > PR_PTRACE_VIEW_USER ? floor.view :
							PR_PTRACE_VIEW_USER;
	if (floor.proc == PROC_PTRACEABLE)
		plan->proc = PROC_PTRACEABLE;
}

/* What the plan applies: 0, or a negative errno */
static int make_token(struct plan *plan)
{
	switch (plan->enforcer) {
	case YS_YAMA:
		plan->token = ys_create(plan->scope, plan->view,
					PR_PTRACE_SCOPE_F_TOPLEVEL);
		/* If that is not allowed, one below the present domain */
		if (plan->token == -EPERM)
			plan->token = ys_create(plan->scope, plan->view, 0);
		break;
	case YS_BPF:	/* only the service makes tokens: one below, always */
		return ys_has(YS_ABI) < 0 ? -EOPNOTSUPP : 0;
	case YS_LANDLOCK:
		plan->token = ys_landlock_create();
		break;
	}
	return plan->token < 0 ? plan->token : 0;
}

/* An own domain for this login alone: nothing is known of the user's others */
static int split_session(const struct login *login, enum ys_enforcer enforcer,
			 struct plan *ret)
{
	__cleanup(plan_release) struct plan plan = plan_none;
	bool levels = enforcer != YS_LANDLOCK;
	int r;

	plan.action = ACTION_OPEN;
	plan.enforcer = enforcer;
	plan.scope = levels ? PR_PTRACE_SCOPE_RELATIONAL :
			      PR_PTRACE_SCOPE_CLASSIC;
	plan.view = PR_PTRACE_VIEW_DOMAIN;
	plan.proc = enforcer == YS_YAMA ? PROC_PRIVATE : PROC_PTRACEABLE;
	if (levels)
		apply_floor(login, &plan);
	r = make_token(&plan);
	if (r < 0)
		return r;
	plan.mount = ys_procfs_new(plan.proc == PROC_PRIVATE ?
				   YS_HIDEPID_OFF : YS_HIDEPID_PTRACEABLE);
	if (plan.mount < 0)
		return plan.mount;
	plan.split = true;
	*ret = plan;
	plan = plan_none;
	return 0;
}

/* Why nothing can confine: what is there may only be too old */
static const char *missing(enum ys_enforcer enforcer, int r, char *room)
{
	int abi = enforcer != YS_LANDLOCK ? ys_abi() : YS_ABI;

	if (!abi)
		return "this kernel has no domains: boot one that has, or switch off with 'yama-session off'";
	if (abi == YS_ABI || r != -EOPNOTSUPP)
		return strerrordesc_np(-r);
	snprintf(room, WHY_MAX,
		 "its interface has version %d, and version %d is needed", abi,
		 YS_ABI);
	return room;
}

/**
 * local_plan - decide by the module's arguments alone
 * @login: who logs in
 * @args:  the arguments
 * @why:   what was wrong with the service, for the journal
 * @ret:   the plan; untouched on failure
 *
 * Return: 0; -EACCES: no login (fallback=deny); else what was missing to
 * confine it.
 */
int local_plan(const struct login *login, const struct args *args,
	       const char *why, struct plan *ret)
{
	const enum ys_enforcer enforcer = choose(args);
	pam_handle_t *pamh = login->pamh;
	char room[WHY_MAX];
	int r;

	/* The same whether the service is there or not: "sudo -i" stays */
	if ((login->uid == 0 || login->uid == getuid()) && is_confined(args)) {
		pam_syslog(pamh, LOG_WARNING,
			   "service unavailable (%s): %s stays in the present session",
			   why, login->user);
		*ret = plan_none;
		return 0;
	}
	if (login->uid != 0 && args->fallback == FALLBACK_DENY) {
		pam_syslog(pamh, LOG_ERR,
			   "service unavailable (%s): fallback deny: no login for %s",
			   why, login->user);
		return -EACCES;
	}
	if (args->fallback == FALLBACK_SKIP) {
		pam_syslog(pamh, LOG_ALERT,
			   "service unavailable (%s): fallback skip: %s is NOT CONFINED by this login",
			   why, login->user);
		*ret = plan_none;
		return 0;
	}
	if (is_exempt(login)) {
		pam_syslog(pamh, LOG_WARNING,
			   "service unavailable (%s): %s is exempt and not confined",
			   why, login->user);
		*ret = plan_none;
		ret->action = ACTION_OPEN;
		return 0;
	}
	r = split_session(login, enforcer, ret);
	if (r < 0) {
		pam_syslog(pamh, LOG_ERR,
			   "service unavailable (%s): fallback strict: cannot confine %s by %s: %s",
			   why, login->user, enforcer_name(enforcer),
			   missing(enforcer, r, room));
		return r;
	}
	return 0;
}
