// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Make a crowd of idle processes and run a program that sees a part of it.
 *
 *	crowd VIEW TOTAL VISIBLE PROGRAM...
 *
 *	crowd (root) -+- hidden, uid 1001, TOTAL - VISIBLE of them
 *		      `- viewer, uid 1000 -+- visible, uid 1000, VISIBLE of them
 *					   `- PROGRAM
 *
 * VIEW says what hides the first from the last: `none` (nothing does),
 * `ptraceable` (the procfs instance), `pidns` (a pid namespace), `domain` or
 * `domain:DEPTH` (nested domains; the hidden are in domains of their own), `user`
 * (the same with that view), `programs` (a domain of the BPF programs and a
 * ptraceable instance; the hidden have the viewer's uid, or the programs would not
 * be asked).  Each process of the crowd leads a process group.
 *
 * The program finds one process of each kind in $VISIBLE and $HIDDEN, and pidfds
 * of them in $VISIBLE_FD and $HIDDEN_FD.  $KNOWN is another hidden process, whose
 * name in /proc is cached since root has looked at it, and $FREE the number of a
 * process that has come after them and gone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include "domain.h"
#include "measure.h"

#define UID_VIEWER	1000
#define UID_HIDDEN	1001

/* An idle process waits for its end of file: it ends when the crowd does. */
static int leash[2];
static int ready[2];

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		err(1, "setresuid");
	/* as after an exec: the processes of one user may look at one another */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		err(1, "PR_SET_DUMPABLE");
}

static void idle(uid_t uid, bool own_domain)
{
	char c = 0;

	close(leash[1]);
	if (own_domain)
		enter_domain();
	if (getuid() != uid)
		become(uid);
	if (setpgid(0, 0))
		err(1, "setpgid");
	if (write(ready[1], &c, 1) != 1)
		err(1, "write");
	if (read(leash[0], &c, 1))
		errx(1, "the leash has been written to");
	_exit(0);
}

/* returns the last one's pid, or 0 if @n is 0 */
static pid_t spawn(int n, uid_t uid, bool own_domain)
{
	pid_t pid = 0;
	char c;

	for (int i = 0; i < n; i++) {
		pid = fork();
		if (pid < 0)
			err(1, "fork");
		if (!pid)
			idle(uid, own_domain);
		if (read(ready[0], &c, 1) != 1)
			err(1, "read");
	}
	return pid;
}

static void export_number(const char *name, const char *suffix, int number)
{
	char variable[16], text[16];

	snprintf(variable, sizeof(variable), "%s%s", name, suffix);
	snprintf(text, sizeof(text), "%d", number);
	setenv(variable, text, 1);
}

static void export_process(const char *name, pid_t pid)
{
	int fd;

	if (!pid)
		return;
	fd = syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0 || fcntl(fd, F_SETFD, 0))
		err(1, "pidfd_open");
	export_number(name, "", pid);
	export_number(name, "_FD", fd);
}

static void look_at(pid_t pid)
{
	char path[32];

	/* An open file keeps the name in the cache. */
	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (open(path, O_PATH | O_CLOEXEC) < 0)
		err(1, "%s", path);
}

/* Numbers are given in turn: this one is free until all others have been given. */
static pid_t free_number(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		err(1, "fork");
	return pid;
}

static void mount_proc(const char *options)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, options))
		err(1, "mount /proc");
}

static void nest(const char *depth)
{
	for (int i = atoi(depth); i > 0; i--)
		enter_domain();
}

static bool is_view(const char *view)
{
	static const char * const views[] = {
		"none", "ptraceable", "pidns", "domain", "user", "programs",
	};

	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (!strcmp(view, views[i]))
			return true;
	return !strncmp(view, "domain:", 7);
}

static void limit_view(const char *view)
{
	if (!strcmp(view, "ptraceable") || !strcmp(view, "programs"))
		mount_proc("hidepid=ptraceable");
	if (!strcmp(view, "pidns"))
		mount_proc(NULL);
	if (!strcmp(view, "domain") || !strcmp(view, "programs"))
		nest("1");
	if (!strncmp(view, "domain:", 7))
		nest(view + 7);
	if (!strcmp(view, "user"))
		enter_view(PR_PTRACE_VIEW_USER);
}

static void spawn_hidden(int n, uid_t uid, bool own_domain)
{
	pid_t known;

	if (!n)
		return;
	known = spawn(1, uid, own_domain);
	look_at(known);
	export_number("KNOWN", "", known);
	export_process("HIDDEN", spawn(n - 1, uid, own_domain));
	export_number("FREE", "", free_number());
}

static bool hides_by_domain(const char *view)
{
	return !strncmp(view, "domain", 6) || !strcmp(view, "user");
}

static void viewer(const char *view, int visible, char **argv)
{
	limit_view(view);
	become(UID_VIEWER);
	export_process("VISIBLE", spawn(visible, UID_VIEWER, false));
	run_program(argv);
	_exit(0);
}

int main(int argc, char **argv)
{
	int hidden, visible, status;
	const char *view;
	uid_t uid;
	pid_t pid;

	if (argc < 5)
		errx(2, "usage: crowd VIEW TOTAL VISIBLE PROGRAM...");
	view = argv[1];
	if (!is_view(view))
		errx(2, "no such view: %s", view);
	uid = strcmp(view, "programs") ? UID_HIDDEN : UID_VIEWER;
	visible = atoi(argv[3]);
	hidden = atoi(argv[2]) - visible;

	/* The viewer's children are left to us. */
	if (pipe(leash) || pipe(ready) || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		err(1, "pipe");
	spawn_hidden(hidden, uid, hides_by_domain(view));

	if (!strcmp(view, "pidns") && unshare(CLONE_NEWPID))
		err(1, "unshare");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		viewer(view, visible, argv + 4);
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "viewer: status 0x%x", status);

	close(leash[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
