// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How costs grow with the number of others.
 *
 *	growth group VIEW...
 *	growth chain|threads VIEW
 *
 * `group`: the others are processes of another user, in one process group and in
 * no domain.  `chain`: each is the child of the one before; they are in one group
 * and in the viewer's domain.  `threads`: they are the threads of one process of
 * the viewer's domain.
 *
 *	growth -+- maker - others
 *		`- viewer
 *
 * VIEW is `none` (no domain), `user`, `domain` or `inferiors`.  A figure's name is
 * WHO-WHAT-NUMBER.  Who looks is named by the view; where a chain is looked at it
 * is `beside` the chain, as in the picture, or `above` it, which is growth itself.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "domain.h"
#include "listing.h"
#include "measure.h"

#define UID_VIEWER	1000
#define UID_OTHER	1001
#define STACK		4096

static const int sizes[] = { 100, 1000, 10000 };
#define MOST		10000
/* A walk up a chain stops at 128: how costs grow is seen in longer ones. */
#define SHORTEST_CHAIN	1000

static enum { GROUP, CHAIN, THREADS } shape;

/* One byte orders one more of the others; it tells its number when it is ready. */
static int order[2];
static int ready[2];
/* They end when they find the leash's end. */
static int leash[2];

/* The others share this memory: to make one costs little. */
static char *stacks;
static int made;

/* who is looked at */
static pid_t maker;	/* its number is the group's */
static pid_t last;
static char path[64];

static void become(uid_t uid)
{
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		err(1, "setresuid");
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		err(1, "PR_SET_DUMPABLE");
}

static void enter(const char *view)
{
	if (!strcmp(view, "user"))
		enter_view(PR_PTRACE_VIEW_USER);
	else if (!strcmp(view, "domain"))
		enter_view(PR_PTRACE_VIEW_DOMAIN);
	else if (!strcmp(view, "inferiors"))
		enter_view(PR_PTRACE_VIEW_INFERIORS);
	else if (strcmp(view, "none"))
		errx(2, "no such view: %s", view);
}

/* one of the others cannot go on: none of them shall keep us waiting */
static void fail(const char *what)
{
	warn("%s", what);
	kill(0, SIGKILL);
}

/* each a lock on a file of its own */
static void take_lock(void)
{
	static int fd = -1;	/* one number for all, each has its own table */
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	/* A chain would hand on more files than a process may have. */
	close(fd);
	fd = memfd_create("locked", 0);
	if (fd < 0 || fcntl(fd, F_SETLK, &lock))
		fail("F_SETLK");
}

static bool spawn_if_told(void);

static int other(void *unused)
{
	pid_t number = syscall(SYS_gettid);
	char c;

	(void)unused;
	if (shape != THREADS)
		take_lock();
	if (write(ready[1], &number, sizeof(number)) != sizeof(number))
		fail("write");
	if (shape == CHAIN)
		spawn_if_told();
	return read(leash[0], &c, 1);
}

static bool spawn_if_told(void)
{
	int flags = shape == THREADS ? CLONE_VM | CLONE_FS | CLONE_FILES |
				       CLONE_SIGHAND | CLONE_THREAD :
				       CLONE_VM | SIGCHLD;
	char c;

	if (read(order[0], &c, 1) != 1)
		return false;
	made++;
	/* A stack grows downwards. */
	if (clone(other, stacks + STACK * made, flags, NULL) < 0)
		fail("clone");
	return true;
}

static void make(void)
{
	char c;

	close(order[1]);
	close(leash[1]);
	if (shape == GROUP)
		become(UID_OTHER);
	/* nobody waits for the others */
	if (setpgid(0, 0) || signal(SIGCHLD, SIG_IGN) == SIG_ERR)
		err(1, "setpgid");
	while (spawn_if_told() && shape != CHAIN)
		;
	_exit(read(leash[0], &c, 1));
}

static void grow(int size)
{
	static int ordered;
	char bytes[MOST] = "";
	int n = size - ordered;

	if (write(order[1], bytes, n) != n)
		err(1, "write");
	for (; ordered < size; ordered++)
		if (read(ready[0], &last, sizeof(last)) != sizeof(last))
			errx(1, "one of the others has failed");
}

static void look_up_number(void)
{
	kill(last, 0);
}

static void look_up_name(void)
{
	struct stat st;

	stat(path, &st);
}

/* and back, where it is permitted */
static void join_group(void)
{
	setpgid(0, maker);
	setpgid(0, 0);
}

static void ask_group(void)
{
	kill(-maker, 0);
}

/* a signal that everybody ignores */
static void signal_group(void)
{
	kill(-maker, SIGURG);
}

static void signal_all(void)
{
	kill(-1, SIGURG);
}

static void get_priority(void)
{
	getpriority(PRIO_PGRP, maker);
}

static void read_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	long length;

	if (fd < 0)
		err(1, "%s", name);
	while ((length = read(fd, buffer, sizeof(buffer))) > 0)
		;
	if (length < 0 || close(fd))
		err(1, "%s", name);
}

static void read_locks(void)
{
	read_file("/proc/locks");
}

static void read_threads(void)
{
	DIR *task = opendir(path);
	struct dirent *entry;
	char name[512];
	int found = 0;

	if (!task)
		err(1, "%s", path);
	while ((entry = readdir(task)))
		if (isdigit(entry->d_name[0])) {
			snprintf(name, sizeof(name), "%s/%s/stat", path, entry->d_name);
			read_file(name);
			found++;
		}
	closedir(task);
	processes = found;
}

static const char *who;
static int number;

static void measure_growth(const char *what, int samples, int batch, void (*operation)(void))
{
	char name[64];

	snprintf(name, sizeof(name), "%s-%s-%d", who, what, number);
	measure(name, samples, batch, operation);
}

static void look_up(void)
{
	snprintf(path, sizeof(path), "/proc/%d", last);
	measure_growth("kill", 51, 20, look_up_number);
	measure_growth("stat", 51, 20, look_up_name);
	measure_growth("readdir", 5, 1, list);
}

static void look_at_group(void)
{
	measure_growth("setpgid", 21, 1, join_group);
	measure_growth("kill-group", 21, 1, ask_group);
	measure_growth("signal-group", 21, 1, signal_group);
	measure_growth("signal-all", 21, 1, signal_all);
	measure_growth("priority-group", 21, 1, get_priority);
	measure_growth("locks", 5, 1, read_locks);
}

static void look_at_threads(void)
{
	snprintf(path, sizeof(path), "/proc/%d/task", maker);
	measure_growth("threads", number < MOST ? 11 : 3, 1, read_threads);
	if (processes != number + 1)
		errx(1, "%d threads, not %d", processes, number + 1);
}

static void view(const char *name)
{
	who = name;
	if (shape == GROUP) {
		enter(name);
		become(UID_VIEWER);
	}
	if (setpgid(0, 0))
		err(1, "setpgid");
	if (shape == THREADS)
		look_at_threads();
	else
		look_at_group();
	if (shape == CHAIN)
		look_up();
	_exit(0);
}

static void run_viewer(const char *name)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		view(name);
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "viewer: status 0x%x", status);
}

static void prepare(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_NPROC, &limit))
		err(1, "RLIMIT_NPROC");
	if (pipe(order) || pipe(ready) || pipe(leash))
		err(1, "pipe");
	stacks = mmap(NULL, MOST * STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		err(1, "mmap");
	/* A member of the chain whose parent has ended is left to us. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		err(1, "PR_SET_CHILD_SUBREAPER");
}

static void start_maker(void)
{
	maker = fork();
	if (maker < 0)
		err(1, "fork");
	if (!maker)
		make();
	close(ready[1]);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: growth group|chain|threads VIEW...");
	shape = !strcmp(argv[1], "group") ? GROUP : !strcmp(argv[1], "chain") ? CHAIN : THREADS;
	prepare();
	if (shape != GROUP) {
		enter(argv[2]);
		become(UID_VIEWER);
	}
	start_maker();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		number = sizes[i];
		if (shape == CHAIN && number < SHORTEST_CHAIN)
			continue;
		grow(number);
		if (shape != CHAIN) {
			for (char **name = argv + 2; *name; name++)
				run_viewer(*name);
			continue;
		}
		run_viewer("beside");
		who = "above";
		look_up();
	}

	close(order[1]);
	close(leash[1]);
	while (wait(NULL) > 0)
		;
	return 0;
}
