// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hold sessions' mount namespaces, and run a program while they are.
 *
 *	namespaces N none|shared|slave|private own|one PROGRAM...
 *
 * The second word says what becomes of the mounts of the host: `none` makes no
 * namespace, `shared` takes /proc alone out of propagation, the others all of
 * them. The third says whether each has an instance of procfs of its own, or a
 * mount of the one that is for all. Each process is in a domain of its own.
 *
 * Prints bytes of kernel objects a session, when it is new and after it has
 * looked at its /proc, and what it costs to make one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "domain.h"
#include "measure.h"
#include "memory.h"

#define UID		1000
#define INSTANCE	"/opt/bench/proc"	/* the one for all */

/* Both wait for their end of file. */
static int look[2];
static int leash[2];
static int result[2];

static const char *propagation;
static bool own;

static void tell(double number)
{
	if (write(result[1], &number, sizeof(number)) != sizeof(number))
		err(1, "write");
}

static double hear(void)
{
	double number;

	if (read(result[0], &number, sizeof(number)) != sizeof(number))
		errx(1, "a session has failed");
	return number;
}

static int own_procfs(void)
{
	int fs = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		err(1, "fsopen");
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return fd;
}

static void make_session(void)
{
	int fd, r;

	if (!strcmp(propagation, "none"))
		return;
	fd = own ? own_procfs() :
		   open_tree(AT_FDCWD, INSTANCE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0 || unshare(CLONE_NEWNS))
		err(1, "procfs");
	if (!strcmp(propagation, "shared"))
		r = mount(NULL, "/proc", NULL, MS_PRIVATE, NULL);
	else
		r = mount(NULL, "/", NULL, MS_REC |
			  (strcmp(propagation, "slave") ? MS_PRIVATE : MS_SLAVE), NULL);
	if (r || move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH))
		err(1, "/proc");
	close(fd);
}

static void look_around(void)
{
	static const char *const files[] = {
		"/proc/self/stat", "/proc/self/status", "/proc/meminfo",
		"/proc/stat", "/proc/uptime", "/proc/loadavg",
		"/proc/sys/kernel/pid_max", "/proc/sys/kernel/osrelease",
	};
	DIR *proc = opendir("/proc");
	struct stat st;

	while (proc && readdir(proc))
		;
	closedir(proc);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (stat(files[i], &st))
			err(1, "%s", files[i]);
}

/* root would see every process in spite of its domain */
static void become_user(void)
{
	if (setresgid(UID, UID, UID) || setresuid(UID, UID, UID))
		err(1, "setresuid");
}

static void session(void)
{
	unsigned long start;
	char c;

	close(look[1]);
	close(leash[1]);
	enter_domain();
	start = __rdtsc();
	make_session();
	tell(__rdtsc() - start);
	become_user();
	if (read(look[0], &c, 1))
		_exit(1);
	look_around();
	tell(0);
	_exit(read(leash[0], &c, 1));
}

int main(int argc, char **argv)
{
	double before;
	int n;

	if (argc < 5)
		errx(2, "usage: namespaces N none|shared|slave|private own|one PROGRAM...");
	n = atoi(argv[1]);
	propagation = argv[2];
	own = !strcmp(argv[3], "own");
	if (pipe(look) || pipe(leash) || pipe(result))
		err(1, "pipe");
	if ((mkdir(INSTANCE, 0755) && errno != EEXIST) ||
	    mount("proc", INSTANCE, "proc", 0, NULL))
		err(1, INSTANCE);

	before = kernel_memory();
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			session();
		samples[i % MAX_SAMPLES] = hear();
	}
	print_samples("make", n < MAX_SAMPLES ? n : MAX_SAMPLES);
	print_number("new", (kernel_memory() - before) / n);
	run_program(argv + 4);
	close(look[1]);
	for (int i = 0; i < n; i++)
		hear();
	print_number("used", (kernel_memory() - before) / n);
	close(leash[1]);
	while (wait(NULL) > 0)
		;
	if (umount(INSTANCE))
		err(1, INSTANCE);
	return 0;
}
