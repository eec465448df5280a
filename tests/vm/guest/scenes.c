// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * scenes - make small families of processes and have one of them look at the rest
 *
 *	scenes [PROC] < SCENES > ANSWERS
 *
 * Each line of the input is a scene, SCRIPT|STEPS, and each line of the output
 * what came of its questions: one hexadecimal digit for each, made of SEEN, READ,
 * ATTACHED and FOUND; or `!` and the reason if the scene could not be made.  PROC
 * is the procfs that is asked, /proc by default.  reach_table.py writes the scenes.
 *
 * The script is carried out by process 0; processes and threads are numbered in
 * the order in which the script opens them:
 *
 *	( ... )	fork a child, which does what is inside; go on when it is ready
 *	[ ... ]	the same with a thread
 *	E01	enter a domain with scope 0 and view 1
 *	O01	the same, and the scope replaces the sysctl
 *	T01	the same for this thread alone
 *	N	become user A, and the owner of a new user namespace
 *	R r	become, or no longer be, a subreaper
 *	X	exit, so that children are adopted
 *
 * The steps are carried out by the coordinator, which belongs to no scene and has
 * every privilege.  NUMBER is a process or thread, LIST some with commas between:
 *
 *	tLIST;	the targets of all that follows
 *	vNUMBER;	the viewer
 *	cX	the targets become X, an identity (see identities[])
 *	nNUMBER;	the targets name a tracer; n*; everybody, n-; nobody, n^; the
 *		process that is there for it, which ends with a step `y`
 *	gNUMBER;	the targets are granted to a tracer; g-; to nobody
 *	sNUMBER;	a process attaches to the targets and stays; s!; the coordinator does
 *	dNUMBER;	and lets go of them
 *	l1	kernel.yama.ptrace_scope is 1
 *	qXYZ;	the viewer asks about each target, in one identity after the other; `.` is
 *		what it is itself, others are those of threads that are made for it
 *	uXYZ;	the same, and each target traces the viewer while it is asked about
 *	pXYZ;	it asks about processes 1 and 2, which are of no scene
 *	h	write the numbers that the kernel has for all, and wait for a line of input
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PR_PTRACE_SCOPE		0x59616d73
#define SCOPE_ENTER		1
#define SCOPE_ALLOW		7
#define F_THREAD		1UL
#define F_OVERRIDE		4UL

enum { SEEN = 1, READ = 2, ATTACHED = 4, FOUND = 8 };

enum { A = 1000, B = 1001 };

#define ALL_CAPS	(~0ULL)
#define PTRACE_CAP	(1ULL << CAP_SYS_PTRACE)
#define ID_CAPS		(1ULL << CAP_SETUID | 1ULL << CAP_SETGID)

/* Who one can be.  Targets only ever go downwards in this list. */
static const struct identity {
	char name;
	uid_t uid[3];		/* real, effective, saved */
	gid_t gid[3];
	uint64_t effective, permitted;
	int dumpable;
	bool unshare;		/* own a new user namespace */
} identities[] = {
	/* root without CAP_SYS_PTRACE; with nothing but permitted capabilities */
	{ 'r', { 0, 0, 0 }, { 0, 0, 0 }, ~PTRACE_CAP, ~PTRACE_CAP, 1 },
	{ 'e', { 0, 0, 0 }, { 0, 0, 0 }, 0, ALL_CAPS, 1 },
	/* a set-uid program of root's, run by A; by B */
	{ 's', { A, 0, 0 }, { A, A, A }, ALL_CAPS, ALL_CAPS, 0 },
	{ 'S', { B, 0, 0 }, { B, B, B }, ALL_CAPS, ALL_CAPS, 0 },
	/* one of B's run by A, one of A's run by B; both set-gid too */
	{ 'D', { A, B, B }, { A, B, B }, 0, 0, 0 },
	{ 'g', { B, A, A }, { B, A, A }, 0, 0, 0 },
	/* A with CAP_SYS_PTRACE */
	{ 'k', { A, A, A }, { A, A, A }, PTRACE_CAP, PTRACE_CAP, 1 },
	/* B, A: programs with file capabilities, which they do not use now */
	{ 'b', { B, B, B }, { B, B, B }, 0, ID_CAPS, 1 },
	{ 'f', { A, A, A }, { A, A, A }, 0, ID_CAPS, 1 },
	/* B, A; A and not dumpable */
	{ 'B', { B, B, B }, { B, B, B }, 0, 0, 1 },
	{ 'n', { A, A, A }, { A, A, A }, 0, 0, 0 },
	{ 'a', { A, A, A }, { A, A, A }, 0, 0, 1 },
	/* A in a new user namespace; and not dumpable there */
	{ 'c', { A, A, A }, { A, A, A }, ALL_CAPS, ALL_CAPS, 1, true },
	{ 'C', { A, A, A }, { A, A, A }, ALL_CAPS, ALL_CAPS, 0 },
};

enum { PROCESSES = 256, VIEWERS = 128, ANSWERS = 1 << 18 };

struct place {
	pid_t pid, tid;
	int ready, told, done;	/* futexes */
	char order, word;
	bool exits;
	pid_t about;
};

static struct stage {
	struct place places[PROCESSES];
	struct place viewers[VIEWERS];	/* by identity */
	int targets[PROCESSES], target_count;
	pid_t asked[PROCESSES];
	int asked_count;
	char answers[ANSWERS];
	int answer_count;
	char error[200];
} *stage;

static int proc_fd;
static pid_t coordinator;
static _Thread_local struct place *self;

static void wait_while(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value)
		syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void tell(int *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

__attribute__((noreturn)) static void failed(int signal);

/* The first failure ends the scene, as soon as the coordinator sees it. */
__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	int error = errno;
	va_list words;
	char text[160];

	va_start(words, format);
	vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	if (!stage->error[0])
		snprintf(stage->error, sizeof(stage->error), "%s: %s", text, strerror(error));
	if (getpid() == coordinator)
		failed(0);
	tell(&self->ready);
	tell(&self->done);
	for (;;)
		pause();
}

#define TRY(call, ...) do { if ((call) < 0) fail(__VA_ARGS__); } while (0)

static long scope_call(unsigned long op, unsigned long a, unsigned long b, unsigned long flags)
{
	long ret;

	do	/* EAGAIN: a BPF program was preempted */
		ret = prctl(PR_PTRACE_SCOPE, op, a, b, flags);
	while (ret < 0 && errno == EAGAIN);
	return ret;
}

static void set_caps(uint64_t effective, uint64_t permitted)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct now[2], new[2] = {};
	int i;

	TRY(syscall(SYS_capget, &header, now), "capget");
	for (i = 0; i < 2; i++) {
		new[i].permitted = now[i].permitted & (uint32_t)(permitted >> 32 * i);
		new[i].effective = new[i].permitted & (uint32_t)(effective >> 32 * i);
	}
	TRY(syscall(SYS_capset, &header, new), "capset");
}

static void put(const char *path, const char *format, ...)
{
	char text[40];
	va_list words;
	int fd, size;

	va_start(words, format);
	size = vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, size) != size)
		fail("%s", path);
	close(fd);
}

static void own_namespace(void)
{
	TRY(prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
	TRY(unshare(CLONE_NEWUSER), "unshare");
	TRY(prctl(PR_SET_DUMPABLE, 1), "PR_SET_DUMPABLE");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "%d %d 1", A, A);
	put("/proc/self/gid_map", "%d %d 1", A, A);
}

/* By system calls, which change the calling thread only */
static void become(char name)
{
	const struct identity *to = identities;
	const struct identity *end = identities + sizeof(identities) / sizeof(*identities);

	while (to < end && to->name != name)
		to++;
	errno = EINVAL;
	if (to == end)
		fail("identity %c", name);
	set_caps(ALL_CAPS, ALL_CAPS);
	TRY(prctl(PR_SET_KEEPCAPS, 1), "PR_SET_KEEPCAPS");
	TRY(syscall(SYS_setresgid, to->gid[0], to->gid[1], to->gid[2]), "setresgid %c", name);
	TRY(syscall(SYS_setresuid, to->uid[0], to->uid[1], to->uid[2]), "setresuid %c", name);
	if (to->unshare)
		own_namespace();
	set_caps(to->effective, to->permitted);
	TRY(prctl(PR_SET_DUMPABLE, to->dumpable), "PR_SET_DUMPABLE");
}

static void attach(pid_t pid)
{
	TRY(ptrace(PTRACE_SEIZE, pid, 0, 0), "PTRACE_SEIZE %d", pid);
}

static void detach(pid_t pid)
{
	int status;

	TRY(ptrace(PTRACE_INTERRUPT, pid, 0, 0), "PTRACE_INTERRUPT %d", pid);
	TRY(waitpid(pid, &status, __WALL), "waitpid %d", pid);
	TRY(ptrace(PTRACE_DETACH, pid, 0, 0), "PTRACE_DETACH %d", pid);
}

static int look(pid_t pid)
{
	char name[32], text[256];
	struct stat status;
	int answer = 0;

	snprintf(name, sizeof(name), "%d", pid);
	if (!fstatat(proc_fd, name, &status, 0))
		answer |= SEEN;
	strcat(name, "/cwd");
	if (readlinkat(proc_fd, name, text, sizeof(text)) >= 0)
		answer |= READ;
	if (!ptrace(PTRACE_SEIZE, pid, 0, 0))
		answer |= ATTACHED;
	if (!kill(pid, 0) || errno == EPERM)
		answer |= FOUND;
	return answer;
}

static pthread_t make_thread(void *(*job)(void *), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 1 << 16);
	errno = pthread_create(&thread, &attributes, job, argument);
	if (errno)
		fail("pthread_create");
	return thread;
}

static void *look_at_all(void *tid)
{
	*(pid_t *)tid = gettid();
	for (int i = 0; i < stage->asked_count; i++)
		stage->answers[stage->answer_count++] = "0123456789abcdef"[look(stage->asked[i])];
	return NULL;
}

/*
 * By a thread that ends then, and with it lets go of all that it has attached to.
 * To let go of each one it would have to be stopped, which takes far longer.
 */
static void answer(void)
{
	pid_t tid;

	pthread_join(make_thread(look_at_all, &tid), NULL);
	while (!tgkill(getpid(), tid, 0))
		sched_yield();
}

static void make_viewer(char name);

static void obey(void)
{
	switch (self->order) {
	case 'v':
		make_viewer(self->word);
		break;
	case 'c':
		become(self->word);
		break;
	case 'n':
		TRY(prctl(PR_SET_PTRACER, (long)self->about), "PR_SET_PTRACER %d", self->about);
		break;
	case 's':
		attach(self->about);
		break;
	case 'd':
		detach(self->about);
		break;
	case 'q':
		answer();
		break;
	}
}

/* Do what one is told to, for ever. */
__attribute__((noreturn)) static void serve(void)
{
	int told = 0;

	for (;;) {
		wait_while(&self->told, told);
		told++;
		obey();
		tell(&self->done);
	}
}

static void *be_viewer(void *place)
{
	self = place;
	become(self->word);
	tell(&self->ready);
	serve();
}

static void make_viewer(char name)
{
	struct place *viewer = &stage->viewers[(int)name];

	viewer->word = name;
	make_thread(be_viewer, viewer);
	wait_while(&viewer->ready, 0);
}

__attribute__((noreturn)) static void play(const char *script, int number);

struct part {
	const char *script;
	int number;
};

static void *play_thread(void *argument)
{
	struct part part = *(struct part *)argument;

	play(part.script, part.number);
}

static int fields(const char **script, int *scope)
{
	*scope = *++*script - '0';
	return *++*script - '0';
}

static void play(const char *script, int number)
{
	int next = number + 1, scope, view;

	self = &stage->places[number];
	self->pid = getpid();
	self->tid = gettid();
	for (; *script && *script != ')' && *script != ']' && *script != '|'; script++) {
		struct place *child = &stage->places[next];

		switch (*script) {
		case '(':
		case '[':
			if (*script == '(') {
				pid_t pid = fork();

				if (pid < 0)
					fail("fork");
				if (!pid)
					play(script + 1, next);
				wait_while(&child->ready, 0);
				/* Until it has exited its own children are not adopted. */
				if (child->exits)
					TRY(waitpid(pid, NULL, 0), "waitpid");
			} else {
				struct part part = { script + 1, next };

				make_thread(play_thread, &part);
				wait_while(&child->ready, 0);
			}
			for (int depth = 0;; script++) {
				bool opens = *script == '(' || *script == '[';

				next += opens;
				depth += opens - (*script == ')' || *script == ']');
				if (!depth)
					break;
			}
			break;
		case 'E':
			view = fields(&script, &scope);
			TRY(scope_call(SCOPE_ENTER, scope, view, 0), "enter %d %d", scope, view);
			break;
		case 'O':
			view = fields(&script, &scope);
			TRY(scope_call(SCOPE_ENTER, scope, view, F_OVERRIDE), "override %d", scope);
			break;
		case 'T':
			view = fields(&script, &scope);
			TRY(scope_call(SCOPE_ENTER, scope, view, F_THREAD), "enter thread");
			break;
		case 'N':
			become('a');
			own_namespace();
			break;
		case 'R':
		case 'r':
			TRY(prctl(PR_SET_CHILD_SUBREAPER, *script == 'R'), "subreaper");
			break;
		case 'X':
			self->exits = true;
			break;
		}
	}
	tell(&self->ready);
	if (self->exits)
		_exit(0);
	serve();
}

/* The coordinator */

static void wait_for(int *word)
{
	wait_while(word, 0);
	if (stage->error[0])
		failed(0);
}

static void order(struct place *place, char what, char word, pid_t about)
{
	place->order = what;
	place->word = word;
	place->about = about;
	__atomic_store_n(&place->done, 0, __ATOMIC_SEQ_CST);
	tell(&place->told);
}

static void ordered(struct place *place, char what, char word, pid_t about)
{
	order(place, what, word, about);
	wait_for(&place->done);
}

static void order_targets(char what, char word, pid_t about)
{
	for (int i = 0; i < stage->target_count; i++)
		order(&stage->places[stage->targets[i]], what, word, about);
	for (int i = 0; i < stage->target_count; i++)
		wait_for(&stage->places[stage->targets[i]].done);
}

static void ask(int viewer, char identity)
{
	struct place *place = &stage->viewers[(int)identity];

	if (identity == '.') {
		place = &stage->places[viewer];
	} else if (!place->told) {
		ordered(&stage->places[viewer], 'v', identity, 0);
	}
	ordered(place, 'q', 0, 0);
}

static void grant(pid_t tracee, pid_t tracer)
{
	int one = syscall(SYS_pidfd_open, tracee, 0);
	int other = tracer ? (int)syscall(SYS_pidfd_open, tracer, 0) : -1;

	TRY(one, "pidfd_open");
	TRY(scope_call(SCOPE_ALLOW, one, other, 0), "allow %d %d", tracee, tracer);
	close(one);
	if (tracer)
		close(other);
}

/* Somebody else looks at them. */
static void hold(void)
{
	char *line = NULL;
	size_t size = 0;

	for (int i = 0; stage->places[i].pid; i++)
		printf("%d ", stage->places[i].tid);
	printf("\n");
	fflush(stdout);
	alarm(0);
	if (getline(&line, &size, stdin) <= 0)
		fail("hold");
	free(line);
}

static pid_t extra;

/* A process that is there to be named, and then not to be there any more */
static pid_t make_extra(void)
{
	if (extra)
		return extra;
	extra = fork();
	if (!extra)
		for (;;)
			pause();
	return extra;
}

static void take(const char *steps)
{
	int viewer = 0, i;

	for (; *steps && *steps != '\n'; steps++) {
		char what = *steps;
		const char *rest = steps + 1;
		char *end;
		long number = strtol(rest, &end, 10);

		switch (what) {
		case 't':
			for (stage->target_count = 0; *rest != ';'; rest = end + (*end == ','))
				stage->targets[stage->target_count++] = strtol(rest, &end, 10);
			break;
		case 'v':
			viewer = number;
			break;
		case 'c':
			order_targets('c', *rest, 0);
			steps++;
			continue;
		case 'n':
			if (*rest == '^')
				order_targets('n', 0, make_extra());
			else
				order_targets('n', 0, *rest == '-' ? 0 : *rest == '*' ? -1 :
					      stage->places[number].pid);
			break;
		case 'y':
			kill(extra, SIGKILL);
			waitpid(extra, NULL, 0);
			extra = 0;
			continue;
		case 'g':
			for (i = 0; i < stage->target_count; i++)
				grant(stage->places[stage->targets[i]].pid,
				      *rest == '-' ? 0 : stage->places[number].pid);
			break;
		case 's':
		case 'd':
			for (i = 0; i < stage->target_count; i++) {
				pid_t pid = stage->places[stage->targets[i]].tid;

				if (*rest != '!')
					ordered(&stage->places[number], what, 0, pid);
				else if (what == 's')
					attach(pid);
				else
					detach(pid);
			}
			break;
		case 'h':
			hold();
			continue;
		case 'l':
			put("/proc/sys/kernel/yama/ptrace_scope", "%c", *rest);
			steps++;
			continue;
		case 'q':
			for (i = 0; i < stage->target_count; i++)
				stage->asked[i] = stage->places[stage->targets[i]].tid;
			stage->asked_count = stage->target_count;
			for (; *rest != ';'; rest++)
				ask(viewer, *rest);
			break;
		case 'p':
			stage->asked[0] = 1;
			stage->asked[1] = 2;
			stage->asked_count = 2;
			for (; *rest != ';'; rest++)
				ask(viewer, *rest);
			break;
		case 'u':
			for (i = 0; i < stage->target_count; i++) {
				struct place *target = &stage->places[stage->targets[i]];

				ordered(target, 's', 0, stage->places[viewer].tid);
				stage->asked[0] = target->tid;
				stage->asked_count = 1;
				for (const char *identity = rest; *identity != ';'; identity++)
					ask(viewer, *identity);
				ordered(target, 'd', 0, stage->places[viewer].tid);
			}
			break;
		default:
			errno = EINVAL;
			fail("step %s", steps);
		}
		steps = strchr(rest, ';');
	}
}

static void clear(void)
{
	for (int i = 0; i < PROCESSES; i++)
		if (stage->places[i].pid)
			kill(stage->places[i].pid, SIGKILL);
	if (extra)
		kill(extra, SIGKILL);
	extra = 0;
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

__attribute__((noreturn)) static void failed(int signal)
{
	clear();
	if (signal == SIGALRM)
		strcpy(stage->error, "it takes too long");
	printf("!%s\n", stage->error);
	fflush(stdout);
	_exit(1);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	sigset_t signals;
	cpu_set_t one;

	/* All take turns, which is faster without another CPU to wake up. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	proc_fd = open(argc > 1 ? argv[1] : "/proc", O_RDONLY | O_DIRECTORY);
	stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (proc_fd < 0 || stage == MAP_FAILED)
		return 2;
	coordinator = getpid();
	signal(SIGALRM, failed);
	/* A traced process would stop for each, even where nobody handles it. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	while (getline(&line, &size, stdin) > 0) {
		const char *steps = strchr(line, '|');

		memset(stage, 0, offsetof(struct stage, answers));
		stage->answer_count = 0;
		alarm(60);
		if (!fork())
			play(line, 0);
		wait_for(&stage->places[0].ready);
		take(steps + 1);
		clear();
		printf("%.*s\n", stage->answer_count, stage->answers);
	}
	return 0;
}
