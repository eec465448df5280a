// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tst-retval MODULE: the code of every call, on a machine without a bus.
 *
 * Each case runs in a process of its own, since a session has no undo, in a
 * mount namespace whose /run is empty but for what the case puts there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/landlock.h>
#include <sys/syscall.h>

#include <security/pam_appl.h>

#include "yama_abi.h"

#define USER		"nobody"
#define USER_UID	65534
#define SKIP		77
#define LANDLOCK_ABI	6

enum how { PLAIN, SETEUID, THREAD };
enum kernel { ANY, WITH_YAMA, WITHOUT_YAMA, WITH_LANDLOCK };

static const struct {
	const char *name;
	enum kernel kernel;
	const char *user;
	const char *args;
	const char *exempt;
	enum how how;
	int open;
	bool confined;
} cases[] = {
	{ "unknown argument, user", ANY, USER, "fallback=skip nonsense",
	  NULL, PLAIN, PAM_PERM_DENIED, false },
	{ "unknown fallback, user", ANY, USER, "fallback=maybe",
	  NULL, PLAIN, PAM_PERM_DENIED, false },
	{ "unknown argument, root", ANY, "root", "nonsense",
	  NULL, PLAIN, PAM_SUCCESS, false },
	{ "unknown user", ANY, "no such user", "fallback=skip",
	  NULL, PLAIN, PAM_PERM_DENIED, false },
	{ "not root", ANY, USER, "fallback=skip",
	  NULL, SETEUID, PAM_PERM_DENIED, false },
	{ "not on the main thread", ANY, USER, "fallback=skip",
	  NULL, THREAD, PAM_PERM_DENIED, false },
	{ "deny, user", ANY, USER, "fallback=deny",
	  NULL, PLAIN, PAM_PERM_DENIED, false },
	{ "deny, exempt user", ANY, USER, "fallback=deny",
	  "yama-session exempt 1\nuid 65534\nend\n", PLAIN, PAM_PERM_DENIED,
	  false },
	{ "deny, root", ANY, "root", "fallback=deny",
	  NULL, PLAIN, PAM_SUCCESS, false },
	{ "skip, user", ANY, USER, "fallback=skip debug",
	  NULL, PLAIN, PAM_SUCCESS, false },
	{ "strict, root", ANY, "root", "",
	  NULL, PLAIN, PAM_SUCCESS, false },
	{ "strict by yama, which is missing", WITHOUT_YAMA, USER, "",
	  NULL, PLAIN, PAM_PERM_DENIED, false },
	{ "strict by yama", WITH_YAMA, USER, "",
	  NULL, PLAIN, PAM_SUCCESS, true },
	{ "strict by landlock", WITH_LANDLOCK, USER, "enforcer=landlock",
	  NULL, PLAIN, PAM_SUCCESS, true },
	{ "strict, exempt by uid", ANY, USER, "",
	  "yama-session exempt 1\nuid 65534\nend\n", PLAIN, PAM_SUCCESS, false },
	{ "strict, exempt by group", ANY, USER, "",
	  "yama-session exempt 1\ngid 65534\nend\n", PLAIN, PAM_SUCCESS, false },
	{ "strict, another exempt", WITHOUT_YAMA, USER, "",
	  "yama-session exempt 1\nuid 65533\nend\n", PLAIN, PAM_PERM_DENIED,
	  false },
	{ "strict, list cut short", WITHOUT_YAMA, USER, "",
	  "yama-session exempt 1\nuid 65534\n", PLAIN, PAM_PERM_DENIED, false },
};

/* Who may be told of a refusal: few programs print what a module says */
static const struct {
	const char *service;
	int flags;
	bool told;
} ways[] = {
	{ "case", 0, false },
	{ "sshd", 0, true },
	{ "sshd", PAM_SILENT, false },
};

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	exit(1);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	need(f, path);
	need(fputs(text, f) >= 0 && fclose(f) == 0, path);
}

static void empty_run(const char *exempt)
{
	need(unshare(CLONE_NEWNS) == 0, "unshare");
	need(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
	need(mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0, "/run");
	if (!exempt)
		return;
	umask(077);
	need(mkdir("/run/yama-session", 0700) == 0, "mkdir");
	write_file("/run/yama-session/exempt", exempt);
}

static bool kernel_is(enum kernel kernel)
{
	bool yama = prctl(PR_PTRACE_SCOPE, PR_PTRACE_SCOPE_HAS, 1, 0, 0) >= 0;

	switch (kernel) {
	case WITH_YAMA:
		return yama;
	case WITHOUT_YAMA:
		return !yama;
	case WITH_LANDLOCK:
		return syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION) >= LANDLOCK_ABI;
	default:
		return true;
	}
}

static void *open_session(void *pamh)
{
	return (void *)(long)pam_open_session(pamh, 0);
}

static int open_how(pam_handle_t *pamh, enum how how, int flags)
{
	pthread_t thread;
	void *ret;

	switch (how) {
	case SETEUID:
		need(seteuid(USER_UID) == 0, "seteuid");
		break;
	case THREAD:
		need(pthread_create(&thread, NULL, open_session, pamh) == 0,
		     "thread");
		need(pthread_join(thread, &ret) == 0, "join");
		return (int)(long)ret;
	default:
		break;
	}
	return pam_open_session(pamh, flags);
}

/* One message and no question: its program prints it and goes on */
static int talk(int n, const struct pam_message **msg,
		struct pam_response **resp, void *data)
{
	bool *talked = data;

	(void)resp;
	need(n == 1 && msg[0]->msg_style == PAM_ERROR_MSG && !*talked,
	     "one message");
	*talked = strstr(msg[0]->msg, "No session can be opened") != NULL;
	return PAM_CONV_ERR;
}

/* Of whom nothing is known, or what calls on a thread, is told nothing */
static bool is_refused(size_t i)
{
	return cases[i].open != PAM_SUCCESS && cases[i].how == PLAIN &&
	       strcmp(cases[i].user, USER) == 0;
}

static bool sees_pid1(void)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (pid == 0) {
		need(setuid(USER_UID) == 0, "setuid");
		_exit(access("/proc/1", F_OK) == 0);
	}
	need(waitpid(pid, &status, 0) == pid && WIFEXITED(status), "wait");
	return WEXITSTATUS(status);
}

static int expect(const char *name, const char *call, int is, int should)
{
	if (is == should)
		return 0;
	fprintf(stderr, "%s: %s is %d, should be %d\n", name, call, is, should);
	return 1;
}

static pam_handle_t *start(size_t i, const char *service, const char *dir,
			   const struct pam_conv *conv)
{
	pam_handle_t *pamh;

	need(pam_start_confdir(service, cases[i].user, conv, dir, &pamh) ==
	     PAM_SUCCESS, "pam_start_confdir");
	return pamh;
}

static int close_twice(size_t i, pam_handle_t *pamh)
{
	int bad = 0;

	bad |= expect(cases[i].name, "close", pam_close_session(pamh, 0),
		      PAM_SUCCESS);
	bad |= expect(cases[i].name, "second close", pam_close_session(pamh, 0),
		      PAM_SUCCESS);
	bad |= expect(cases[i].name, "end", pam_end(pamh, 0), PAM_SUCCESS);
	return bad;
}

static int run_case(size_t i, size_t w, const char *dir)
{
	const char *service = ways[w].service;
	bool talked = false;
	const struct pam_conv conv = { talk, &talked };
	pam_handle_t *pamh;
	int bad = 0;

	empty_run(cases[i].exempt);
	pamh = start(i, service, dir, &conv);
	bad |= expect(cases[i].name, "open",
		      open_how(pamh, cases[i].how, ways[w].flags),
		      cases[i].open);
	if (cases[i].how != SETEUID)
		bad |= expect(cases[i].name, "pid 1 seen", sees_pid1(),
			      !cases[i].confined);
	/* libpam itself answers for a module that has refused to open */
	if (cases[i].open != PAM_SUCCESS) {
		need(pam_end(pamh, cases[i].open) == PAM_SUCCESS, "pam_end");
		pamh = start(i, service, dir, &conv);
	}
	bad |= close_twice(i, pamh);
	bad |= expect(cases[i].name, "conversation", talked,
		      ways[w].told && is_refused(i));
	return bad;
}

static int fork_case(size_t i, size_t w, const char *dir, const char *module,
		     const char *below)
{
	char line[1024], file[64];
	int status;
	pid_t pid;

	snprintf(line, sizeof(line), "session required %s %s\n%s", module,
		 cases[i].args, below);
	snprintf(file, sizeof(file), "%s/%s", dir, ways[w].service);
	write_file(file, line);
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0)
		exit(run_case(i, w, dir));
	need(waitpid(pid, &status, 0) == pid, "wait");
	unlink(file);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	/* pam_permit below must not turn a refusal into a login */
	static const char *const stacks[] = {
		"", "session required pam_permit.so\n",
	};
	const size_t n_ways = sizeof(ways) / sizeof(ways[0]);
	char dir[] = "/tmp/tst-retval.XXXXXX";
	int bad = 0, ran = 0;

	if (argc != 2)
		return 2;
	if (geteuid() != 0) {
		fprintf(stderr, "needs root: it opens sessions\n");
		return SKIP;
	}
	need(mkdtemp(dir) && chmod(dir, 0755) == 0, dir);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!kernel_is(cases[i].kernel))
			continue;
		for (size_t s = 0; s < 2 * n_ways; s++, ran++)
			bad |= fork_case(i, s / 2, dir, argv[1], stacks[s % 2]);
	}
	rmdir(dir);
	printf("%d cases ran\n", ran);
	return bad;
}
