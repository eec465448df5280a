// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is a plan fit to be carried out?  The service is trusted with the policy,
 * not with its own bugs: a plan that contradicts itself, or descriptors that
 * are not what the plan calls them, count as no answer at all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "cleanup.h"
#include "module.h"

/* PROC_ROOT_INO of <linux/proc_fs.h>, which user space does not get */
#define PROCFS_ROOT_INO	1

const struct plan plan_none = {
	.action = ACTION_STAY,
	.proc = PROC_HOST,
	.token = -1,
	.mount = -1,
	.lifetime = -1,
};

const char *enforcer_name(enum ys_enforcer enforcer)
{
	switch (enforcer) {
	case YS_YAMA:
		return "yama";
	case YS_BPF:
		return "bpf";
	case YS_LANDLOCK:
		return "landlock";
	default:
		return "none";
	}
}

void plan_release(struct plan *plan)
{
	close_fd(&plan->token);
	close_fd(&plan->mount);
	close_fd(&plan->lifetime);
	/* The variant that flushes would wait for a stopped daemon */
	plan->bus = sd_bus_close_unref(plan->bus);
}

static int wrong(char *why, const char *text)
{
	snprintf(why, WHY_MAX, "bad reply: %s", text);
	return -EBADMSG;
}

static bool id_is_sane(const char *id)
{
	return *id && strlen(id) == strspn(id,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
}

static bool is_ruleset(int fd)
{
	char path[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];
	char target[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strstr(target, "landlock-ruleset") != NULL;
}

/* Levels and views are ordered: more is stricter, and stricter is fine */
static bool is_domain(int fd, unsigned int scope, unsigned int view)
{
	struct ys_domain_info info;

	return ys_info(fd, &info) == 1 && info.scope >= scope &&
	       info.view >= view;
}

static bool is_key(int fd)
{
	unsigned char key[YS_BPF_KEY_SIZE];

	return ys_bpf_key(fd, key) == 0;
}

static bool is_procfs_root(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       fstat(fd, &st) == 0 && st.st_ino == PROCFS_ROOT_INO;
}

/* To an older one the numbers of views mean other views */
static int check_version(char *why)
{
	int abi = ys_abi();

	if (abi == YS_ABI)
		return 0;
	snprintf(why, WHY_MAX,
		 "the kernel's interface has version %d, and version %d is needed",
		 abi, YS_ABI);
	return -EOPNOTSUPP;
}

static int check_token(const struct plan *plan, char *why)
{
	switch (plan->enforcer) {
	case YS_YAMA:
		if (!is_domain(plan->token, plan->scope, plan->view))
			return wrong(why, "token is no domain of that strength");
		return 0;
	case YS_BPF:	/* its strength shows when it is applied */
		if (!is_key(plan->token))
			return wrong(why, "token is no key of a domain");
		return 0;
	case YS_LANDLOCK:
		if (plan->view != PR_PTRACE_VIEW_DOMAIN)
			return wrong(why, "landlock has no view but domain");
		if (!is_ruleset(plan->token))
			return wrong(why, "token is no Landlock ruleset");
		return 0;
	default:
		if (plan->token >= 0)
			return wrong(why, "token of no enforcer");
		if (plan->scope || plan->view)
			return wrong(why, "levels of no enforcer");
		return 0;
	}
}

/**
 * plan_check - refuse what cannot be meant
 * @plan: the plan, nothing of it carried out yet
 * @why:  room for WHY_MAX bytes, set on failure
 *
 * Return: 0; -EOPNOTSUPP: the kernel has an older interface; or -EBADMSG.
 */
int plan_check(const struct plan *plan, char *why)
{
	if (!id_is_sane(plan->id))
		return wrong(why, "session id");
	if (plan->scope > PR_PTRACE_SCOPE_NO_ATTACH)
		return wrong(why, "scope out of range");
	if (plan->view > PR_PTRACE_VIEW_INFERIORS)
		return wrong(why, "view out of range");
	if (plan->action == ACTION_STAY) {
		if (plan->token >= 0 || plan->mount >= 0)
			return wrong(why, "stay, with something to apply");
		return 0;
	}
	if ((plan->enforcer == YS_YAMA || plan->enforcer == YS_BPF) &&
	    check_version(why) < 0)
		return -EOPNOTSUPP;
	if (plan->mount >= 0 && (!plan->enforcer || plan->proc == PROC_HOST))
		return wrong(why, "mount that nobody asked for");
	/* A yama domain hides in every instance; the others need their own */
	if (plan->mount < 0 && plan->enforcer && plan->enforcer != YS_YAMA &&
	    plan->view && plan->proc != PROC_HOST)
		return wrong(why, "no mount");
	if (plan->mount >= 0 && !is_procfs_root(plan->mount))
		return wrong(why, "mount is no procfs");
	return check_token(plan, why);
}
