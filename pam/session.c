// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pam_sm_open_session() and pam_sm_close_session().
 *
 * What login programs taught: PAM_SESSION_ERR is success to sudo, which takes
 * PAM_SYSTEM_ERR for an errno ("Unknown error -4"), so every failure is
 * PAM_PERM_DENIED; a message aborts pkexec, so few programs get one; atd calls
 * with uid 1 and euid 0, so the effective uid counts.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "cleanup.h"
#include "module.h"

#define EXPORT	__attribute__((visibility("default")))

static const char *item(pam_handle_t *pamh, int type)
{
	const void *value;

	if (pam_get_item(pamh, type, &value) != PAM_SUCCESS || !value)
		return "";
	return value;
}

/* Not pam_get_user(), which may ask the user */
static int get_login(pam_handle_t *pamh, int flags, struct login *ret)
{
	const char *user = item(pamh, PAM_USER);
	const struct passwd *pw = pam_modutil_getpwnam(pamh, user);
	const struct passwd *own;

	if (!pw) {
		pam_syslog(pamh, LOG_ERR, "no account \"%s\"", user);
		return -ENOENT;
	}
	/* As typed it may be an alias, or in another spelling */
	own = pam_modutil_getpwuid(pamh, pw->pw_uid);
	*ret = (struct login) {
		.pamh = pamh,
		.user = own ? own->pw_name : user,
		.uid = pw->pw_uid,
		.gid = pw->pw_gid,
		.service = item(pamh, PAM_SERVICE),
		.tty = item(pamh, PAM_TTY),
		.rhost = item(pamh, PAM_RHOST),
		.silent = flags & PAM_SILENT,
	};
	return 0;
}

/* Unshare, a domain and Landlock hold for a thread and for what it forks */
static int check_caller(pam_handle_t *pamh)
{
	if (geteuid() != 0) {
		pam_syslog(pamh, LOG_ERR,
			   "called with effective uid %u: only root can open a session",
			   geteuid());
		return -EPERM;
	}
	if (gettid() != getpid()) {
		pam_syslog(pamh, LOG_ERR,
			   "called on a thread: a session is opened on the main thread only");
		return -EBUSY;
	}
	return 0;
}

/*
 * The programs whose conversation prints a message and asks nothing.  It is all
 * that a user of sshd gets to see; the others show the text of the code, too.
 */
static bool prints_messages(const char *service)
{
	static const char *const known[] = {
		"login", "sshd", "su", "su-l", "sudo", "sudo-i",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(service, known[i]) == 0)
			return true;
	return false;
}

/*
 * Root repairs the machine: its login is refused only where the process is no
 * longer what it was, which cannot be undone and was rehearsed not to happen.
 */
static int refuse(const struct login *login, const struct plan *plan)
{
	if (login->uid == 0 && !plan->begun) {
		pam_syslog(login->pamh, LOG_ALERT,
			   "root is let in NOT CONFINED by this login");
		return PAM_SUCCESS;
	}
	if (!login->silent && prints_messages(login->service))
		pam_error(login->pamh,
			  "No session can be opened for %s under this machine's policy: its journal says why.",
			  login->user);
	return PAM_PERM_DENIED;
}

/* One line, since each is dear: it wakes the journal */
static void tell_opened(const struct login *login, const struct plan *plan,
			const char *why)
{
	static const char *const procs[] = {
		[PROC_PRIVATE] = "private",
		[PROC_PTRACEABLE] = "ptraceable",
		[PROC_HOST] = "host",
	};
	const char *id = *plan->id ? plan->id : "(unknown to the service)";

	if (plan->split) {
		pam_syslog(login->pamh, LOG_WARNING,
			   "opened session %s for %s: enforcer=%s scope=%u view=%s proc=%s; service unavailable (%s): fallback strict: own domain for %s, split from the user's other sessions",
			   id, login->user, enforcer_name(plan->enforcer),
			   plan->scope, ys_view_word(plan->view),
			   procs[plan->proc], why, login->user);
		return;
	}
	if (plan->action == ACTION_STAY) {
		pam_syslog(login->pamh, LOG_INFO,
			   "opened session %s for %s: stays in the present one",
			   id, login->user);
		return;
	}
	pam_syslog(login->pamh, LOG_INFO,
		   "opened session %s for %s: enforcer=%s scope=%u view=%s proc=%s",
		   id, login->user, enforcer_name(plan->enforcer), plan->scope,
		   ys_view_word(plan->view), procs[plan->proc]);
}

static int open_session(const struct login *login, const struct args *args)
{
	__cleanup(plan_release) struct plan plan = plan_none;
	char why[WHY_MAX] = "";
	int r;

	r = bus_open_session(login, &plan, why);
	if (r == -EUSERS) {
		/* No failure: the fallback would be a way round limit and policy */
		pam_syslog(login->pamh, LOG_ERR, "no login for %s: %s",
			   login->user, why);
		return refuse(login, &plan);
	}
	if (r < 0)
		r = local_plan(login, args, why, &plan);
	if (r < 0)
		return refuse(login, &plan);

	/* Before anything has changed: it can fail for lack of memory */
	if (plan.lifetime >= 0) {
		r = lifetime_keep(login->pamh, &plan.lifetime);
		if (r < 0) {
			pam_syslog(login->pamh, LOG_ERR,
				   "cannot keep the session of %s: %s",
				   login->user, strerrordesc_np(-r));
			return refuse(login, &plan);
		}
	}
	r = plan_carry_out(login, &plan);
	if (r < 0) {
		lifetime_drop(login->pamh);
		if (plan.split)
			pam_syslog(login->pamh, LOG_WARNING,
				   "service unavailable (%s): fallback strict",
				   why);
		pam_syslog(login->pamh, LOG_ERR, "cannot confine %s by %s: %s",
			   login->user, enforcer_name(plan.enforcer),
			   strerrordesc_np(-r));
		return refuse(login, &plan);
	}
	tell_opened(login, &plan, why);
	return PAM_SUCCESS;
}

EXPORT int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc,
			       const char **argv)
{
	struct login login;
	struct args args;
	int bad_args;

	bad_args = args_parse(pamh, argc, argv, &args);
	if (check_caller(pamh) < 0 || get_login(pamh, flags, &login) < 0)
		return PAM_PERM_DENIED;
	if (bad_args)
		return refuse(&login, &plan_none);
	if (args.debug)
		pam_syslog(pamh, LOG_DEBUG,
			   "open: user=%s uid=%u service=%s tty=%s rhost=%s",
			   login.user, login.uid, login.service, login.tty,
			   login.rhost);
	return open_session(&login, &args);
}

/*
 * Called by any uid (systemd's helper closes as the user).  Nothing is undone
 * here: the processes of the session stay confined until they exit.
 */
EXPORT int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc,
				const char **argv)
{
	struct args args;

	(void)flags;
	(void)args_parse(pamh, argc, argv, &args);
	lifetime_drop(pamh);
	if (args.debug)
		pam_syslog(pamh, LOG_DEBUG, "close: user=%s",
			   item(pamh, PAM_USER));
	return PAM_SUCCESS;
}
