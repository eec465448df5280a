/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pam_yama_session: what its few files share.
 *
 * A login becomes a plan, by the session service (bus.c) or without it
 * (local.c), and one function carries a plan out (confine.c).  Functions
 * return 0 or a negative errno; nothing is kept outside the PAM handle.
 */
#ifndef PAM_YAMA_SESSION_H
#define PAM_YAMA_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <security/pam_modules.h>
#include <systemd/sd-bus.h>

#include "yama_native.h"

#define ID_MAX		64	/* longest session id accepted from the service */
#define WHY_MAX		192	/* room for one reason, for the journal */

enum fallback {
	FALLBACK_STRICT,
	FALLBACK_DENY,
	FALLBACK_SKIP,
};

/**
 * struct args - the module's arguments
 * @fallback: what to do for a user while the service does not answer
 * @enforcer: what confines then, under FALLBACK_STRICT; 0: domains of whatever
 *            kind the kernel has
 * @debug:    say more in the journal
 */
struct args {
	enum fallback fallback;
	enum ys_enforcer enforcer;
	bool debug;
};

/**
 * struct login - who logs in, and how
 * @pamh:    the handle, owner of every string here
 * @user:    name of the account by its uid, not as it was typed
 * @uid:     its uid
 * @gid:     its primary group
 * @service: PAM service; as @tty and @rhost, "" if unset
 * @tty:     terminal
 * @rhost:   remote host
 * @silent:  the application wants no messages
 */
struct login {
	pam_handle_t *pamh;
	const char *user;
	uid_t uid;
	gid_t gid;
	const char *service;
	const char *tty;
	const char *rhost;
	bool silent;
};

enum action {
	ACTION_OPEN,	/* leave the present domain, then apply what is given */
	ACTION_STAY,	/* remain where the caller is */
};

enum proc {
	PROC_PRIVATE,		/* own instance, the kernel's view decides */
	PROC_PTRACEABLE,	/* own instance with hidepid=ptraceable */
	PROC_HOST,		/* the instance that is there */
};

/**
 * struct plan - what is to be done to the calling process
 * @id:       session id, "" if no service knows of it
 * @action:   what to do
 * @enforcer: kind of @token, 0 if there is none
 * @scope:    level that must hold afterwards
 * @view:     view that must hold afterwards
 * @proc:     kind of @mount
 * @token:    domain or Landlock ruleset; -1 if there is no enforcer, or to have
 *            a domain made inside the present one
 * @mount:    detached procfs, -1 if unset
 * @lifetime: its closing tells the service to look, -1 if unset
 * @bus:      the connection that the plan came by, NULL if there was none
 * @split:    made without the service, for this login alone
 * @begun:    set by plan_carry_out() before the first step without undo
 *
 * The plan owns its descriptors; they are close-on-exec and above 2.  It keeps
 * the connection until it has been carried out: at its end the daemon of the
 * bus has work to do, for which no login need wait.
 */
struct plan {
	char id[ID_MAX + 1];
	enum action action;
	enum ys_enforcer enforcer;
	unsigned int scope;
	unsigned int view;
	enum proc proc;
	int token;
	int mount;
	int lifetime;
	sd_bus *bus;
	bool split;
	bool begun;
};

/* args.c: -EINVAL after logging each argument that is wrong */
int args_parse(pam_handle_t *pamh, int argc, const char **argv,
	       struct args *ret);

/* plan.c */
extern const struct plan plan_none;	/* stays where it is, owns nothing */
const char *enforcer_name(enum ys_enforcer enforcer);
int plan_check(const struct plan *plan, char *why);
void plan_release(struct plan *plan);

/* bus.c: ask the service; @why (WHY_MAX bytes) says what went wrong */
int bus_open_session(const struct login *login, struct plan *ret, char *why);

/* local.c: decide without it */
int local_plan(const struct login *login, const struct args *args,
	       const char *why, struct plan *ret);

/* alive.c */
bool service_has_gone(void);

/* trusted.c */
int trusted_open(const char *path, mode_t forbidden);
ssize_t trusted_read(const char *name, mode_t forbidden, char *text,
		     size_t size);

/* floor.c: below which nobody may log in while the policy is not known */
struct floor {
	unsigned int scope;
	unsigned int view;
	enum proc proc;
};

int floor_parse(const char *text, size_t len, struct floor *ret);
int floor_read(struct floor *ret);

/* exempt.c: who is not confined while the policy is not known */
struct exempt_ask {
	uid_t uid;
	const char *service;
	int (*in_group)(gid_t gid, void *data); /* 1 or 0 */
	void *data;
};

int exempt_match(const char *text, size_t len, const struct exempt_ask *ask);
int exempt_read(const struct exempt_ask *ask);

/* confine.c */
bool has_domain(void);
int plan_carry_out(const struct login *login, struct plan *plan);

/* lifetime.c: the handle owns the descriptor from here on */
int lifetime_keep(pam_handle_t *pamh, int *fd);
void lifetime_drop(pam_handle_t *pamh);

#endif /* PAM_YAMA_SESSION_H */
