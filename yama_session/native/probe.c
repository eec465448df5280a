// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls that name a process, group or user, each in a form that changes
 * nothing: signal 0, a request that is refused after the look-up, a value
 * that is there already.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "yama_native.h"

/* What the C library's headers may be too old for */
#define ANY_PIDFD_THREAD	O_EXCL
#define ANY_FIOSETOWN		0x8901
#define ANY_SIOCSPGRP		0x8902
#define ANY_SCHED_CORE		62
#define SCHED_CORE_GET		0
#define SCHED_CORE_SHARE_FROM	3
#define NS_PID_FROM		_IOR(0xb7, 0x6, int)
#define NS_TGID_FROM		_IOR(0xb7, 0x7, int)
#define NS_PID_IN		_IOR(0xb7, 0x8, int)
#define NS_TGID_IN		_IOR(0xb7, 0x9, int)

static int answer(long ret)
{
	return ret < 0 ? -errno : 0;
}

/* A call of one expression; @nr is the number that it names */
#define ASK(_name, _call)						\
static int ask_##_name(int nr)						\
{									\
	return answer(_call);						\
}

static long close_again(long fd)
{
	return fd < 0 ? fd : close(fd);
}

/* Signals: none is sent by the number 0 */

static long queue_signal(int tgid, int tid)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	if (tgid)
		return syscall(SYS_rt_tgsigqueueinfo, tgid, tid, 0, &info);
	return syscall(SYS_rt_sigqueueinfo, tid, 0, &info);
}

ASK(kill, kill(nr, 0))
ASK(kill_group, kill(-nr, 0))
ASK(tkill, syscall(SYS_tkill, nr, 0))
ASK(tgkill, syscall(SYS_tgkill, nr, nr, 0))
ASK(sigqueue, queue_signal(0, nr))
ASK(tgsigqueue, queue_signal(nr, nr))

/* Groups, priorities, limits: what is set is what is there */

static long get_nice(int which, int nr, int *ret)
{
	errno = 0;
	*ret = getpriority(which, nr);
	return *ret == -1 && errno ? -1 : 0;
}

static long set_nice(int which, int nr)
{
	int nice;

	if (get_nice(which, nr, &nice))
		get_nice(PRIO_PROCESS, 0, &nice);
	return setpriority(which, nr, nice);
}

static long set_ioprio(int which, int nr)
{
	long value = syscall(SYS_ioprio_get, which, nr);

	if (value < 0)
		value = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 4);
	return syscall(SYS_ioprio_set, which, nr, value);
}

static long get_limit(int nr)
{
	struct rlimit limit;

	return prlimit(nr, RLIMIT_NOFILE, NULL, &limit);
}

static long get_capabilities(int nr)
{
	struct { uint32_t version; int pid; } head = { 0x20080522, nr };
	uint32_t data[6];

	return syscall(SYS_capget, &head, data);
}

static int ask_getpriority(int nr)
{
	int nice;

	return answer(get_nice(PRIO_PROCESS, nr, &nice));
}

static int ask_getpriority_group(int nr)
{
	int nice;

	return answer(get_nice(PRIO_PGRP, nr, &nice));
}

static int ask_getpriority_user(int nr)
{
	int nice;

	return answer(get_nice(PRIO_USER, nr, &nice));
}

ASK(getpgid, getpgid(nr))
ASK(getsid, getsid(nr))
ASK(setpgid_to, setpgid(0, nr))
ASK(setpriority, set_nice(PRIO_PROCESS, nr))
ASK(setpriority_group, set_nice(PRIO_PGRP, nr))
ASK(ioprio_get, syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, nr))
ASK(ioprio_get_group, syscall(SYS_ioprio_get, IOPRIO_WHO_PGRP, nr))
ASK(ioprio_get_user, syscall(SYS_ioprio_get, IOPRIO_WHO_USER, nr))
ASK(ioprio_set, set_ioprio(IOPRIO_WHO_PROCESS, nr))
ASK(ioprio_set_group, set_ioprio(IOPRIO_WHO_PGRP, nr))
ASK(prlimit, get_limit(nr))
ASK(capget, get_capabilities(nr))

/* Scheduling: a process started by the audit has the ordinary policy */

/* As struct sched_attr, which some C libraries define and others do not */
struct schedule {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static const struct sched_param no_priority;

static long get_param(int nr)
{
	struct sched_param param;

	return sched_getparam(nr, &param);
}

static long get_schedule(int nr, struct schedule *ret)
{
	return syscall(SYS_sched_getattr, nr, ret, sizeof(*ret), 0);
}

static int ask_sched_getattr(int nr)
{
	struct schedule schedule;

	return answer(get_schedule(nr, &schedule));
}

static long set_schedule(int nr)
{
	struct schedule schedule;

	if (get_schedule(nr, &schedule) && get_schedule(0, &schedule))
		return -1;
	return syscall(SYS_sched_setattr, nr, &schedule, 0);
}

static long get_interval(int nr)
{
	struct timespec interval;

	return sched_rr_get_interval(nr, &interval);
}

static long get_affinity(int nr)
{
	cpu_set_t cpus;

	return sched_getaffinity(nr, sizeof(cpus), &cpus);
}

static long set_affinity(int nr)
{
	cpu_set_t cpus;

	if (sched_getaffinity(nr, sizeof(cpus), &cpus) &&
	    sched_getaffinity(0, sizeof(cpus), &cpus))
		return -1;
	return sched_setaffinity(nr, sizeof(cpus), &cpus);
}

static long get_core_cookie(int nr)
{
	uint64_t cookie;

	return prctl(ANY_SCHED_CORE, (long)SCHED_CORE_GET, (long)nr, 0L,
		     &cookie);
}

ASK(sched_getscheduler, sched_getscheduler(nr))
ASK(sched_getparam, get_param(nr))
ASK(sched_getaffinity, get_affinity(nr))
ASK(sched_rr_get_interval, get_interval(nr))
ASK(sched_setscheduler, sched_setscheduler(nr, SCHED_OTHER, &no_priority))
ASK(sched_setparam, sched_setparam(nr, &no_priority))
ASK(sched_setattr, set_schedule(nr))
ASK(sched_setaffinity, set_affinity(nr))
ASK(sched_core_get, get_core_cookie(nr))
ASK(sched_core_from,
    prctl(ANY_SCHED_CORE, (long)SCHED_CORE_SHARE_FROM, (long)nr, 0L, 0L))

/* Looking inside: at an address that nothing can be mapped at */

static long access_memory(long call, int nr)
{
	char byte = 0;
	struct iovec here = { &byte, 1 };
	struct iovec there = { (void *)-4096L, 1 };

	return syscall(call, nr, &here, 1UL, &there, 1UL, 0UL);
}

static long get_locks(int nr)
{
	void *head;
	size_t size;

	return syscall(SYS_get_robust_list, nr, &head, &size);
}

static long count_events(int nr)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.disabled = 1,
		.exclude_kernel = 1,
	};

	return close_again(syscall(SYS_perf_event_open, &attr, nr, -1, -1,
				   PERF_FLAG_FD_CLOEXEC));
}

/* From no node to no node */
static long move_nothing(int nr)
{
	unsigned long none = 0;

	return syscall(SYS_migrate_pages, nr, 2UL, &none, &none);
}

/* SEIZE has to be given the address 0, which is looked at after the number. */
static int ask_ptrace(int nr)
{
	if (ptrace(PTRACE_SEIZE, nr, (void *)1, NULL))
		return -errno;
	return 0;
}

ASK(pidfd_open, close_again(syscall(SYS_pidfd_open, nr, 0)))
ASK(pidfd_thread, close_again(syscall(SYS_pidfd_open, nr, ANY_PIDFD_THREAD)))
ASK(vm_readv, access_memory(SYS_process_vm_readv, nr))
ASK(vm_writev, access_memory(SYS_process_vm_writev, nr))
ASK(move_pages, syscall(SYS_move_pages, nr, 0UL, NULL, NULL, NULL, 0))
ASK(migrate_pages, move_nothing(nr))
ASK(kcmp, syscall(SYS_kcmp, nr, getpid(), KCMP_VM, 0UL, 0UL))
ASK(kcmp_second, syscall(SYS_kcmp, getpid(), nr, KCMP_VM, 0UL, 0UL))
ASK(robust_list, get_locks(nr))
ASK(perf, count_events(nr))
ASK(set_ptracer, prctl(PR_SET_PTRACER, (long)nr, 0L, 0L, 0L))

/* Owners of files and terminals of the caller's own, on which nothing happens */

static int own(int (*set)(int fd, int nr), int nr)
{
	int ends[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	ret = answer(set(ends[0], nr));
	close(ends[0]);
	close(ends[1]);
	return ret;
}

#define OWN(_name, _call)						\
static int own_##_name(int fd, int nr)					\
{									\
	return _call;							\
}									\
static int ask_##_name(int nr)						\
{									\
	return own(own_##_name, nr);					\
}

static int set_owner(int fd, int type, int nr)
{
	struct f_owner_ex owner = { .type = type, .pid = nr };

	return fcntl(fd, F_SETOWN_EX, &owner);
}

OWN(setown, fcntl(fd, F_SETOWN, nr))
OWN(setown_group, fcntl(fd, F_SETOWN, -nr))
OWN(setown_tid, set_owner(fd, F_OWNER_TID, nr))
OWN(setown_pid, set_owner(fd, F_OWNER_PID, nr))
OWN(setown_pgrp, set_owner(fd, F_OWNER_PGRP, nr))
OWN(fiosetown, ioctl(fd, ANY_FIOSETOWN, &nr))
OWN(siocspgrp, ioctl(fd, ANY_SIOCSPGRP, &nr))

/* Leaves the caller's session for one with a terminal of its own. */
static int ask_tiocspgrp(int nr)
{
	int master, slave = -1, ret;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	setsid();
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0)
		return -errno;
	if (grantpt(master) || unlockpt(master) ||
	    (slave = open(ptsname(master), O_RDWR | O_CLOEXEC)) < 0)
		ret = -errno;
	else
		ret = answer(ioctl(slave, TIOCSPGRP, &nr));
	if (slave >= 0)
		close(slave);
	close(master);
	return ret;
}

/* Clocks */

/* The clock of what a process has used of the processor */
static clockid_t clock_of(int nr)
{
	return (clockid_t)((~(unsigned int)nr << 3) | 2);
}

static long read_clock(int nr)
{
	struct timespec time;

	return clock_gettime(clock_of(nr), &time);
}

/* Until a moment that is over for whatever has run at all */
static long sleep_by_clock(int nr)
{
	const struct timespec past = { .tv_nsec = 1 };

	return syscall(SYS_clock_nanosleep, clock_of(nr), TIMER_ABSTIME, &past,
		       NULL);
}

/* No such clock can be set. */
static long set_clock(int nr)
{
	const struct timespec zero = { 0 };

	return clock_settime(clock_of(nr), &zero);
}

static long make_timer(int nr)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	timer_t timer;

	if (timer_create(clock_of(nr), &event, &timer))
		return -1;
	return timer_delete(timer);
}

ASK(clock_gettime, read_clock(nr))
ASK(clock_getres, clock_getres(clock_of(nr), NULL))
ASK(clock_nanosleep, sleep_by_clock(nr))
ASK(clock_settime, set_clock(nr))
ASK(timer_create, make_timer(nr))

/* A lock of the caller's own whose word says that @nr has it; never waits */
static long lock_futex(int nr)
{
	unsigned int word = nr;

	return syscall(SYS_futex, &word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0);
}

ASK(futex, lock_futex(nr))

/* Namespaces and netlink */

static int translate(unsigned long request, int nr)
{
	int fd, ret;

	fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = answer(ioctl(fd, request, nr));
	close(fd);
	return ret;
}

static int ask_ns_pid_from(int nr)
{
	return translate(NS_PID_FROM, nr);
}

static int ask_ns_tgid_from(int nr)
{
	return translate(NS_TGID_FROM, nr);
}

static int ask_ns_pid_in(int nr)
{
	return translate(NS_PID_IN, nr);
}

static int ask_ns_tgid_in(int nr)
{
	return translate(NS_TGID_IN, nr);
}

/* One request to rtnetlink with one attribute that holds a number */
struct request {
	struct nlmsghdr head;
	char body[64];
};

static int talk(struct request *request, size_t fixed, int attribute, int nr)
{
	struct rtattr *attr = (void *)(request->body + NLMSG_ALIGN(fixed));
	union {
		struct nlmsghdr head;
		char buffer[512];
	} reply;
	struct nlmsgerr *error = NLMSG_DATA(&reply.head);
	ssize_t len;
	int fd, ret;

	attr->rta_type = attribute;
	attr->rta_len = RTA_LENGTH(sizeof(nr));
	memcpy(RTA_DATA(attr), &nr, sizeof(nr));
	request->head.nlmsg_len = NLMSG_SPACE(fixed) + attr->rta_len;
	request->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	len = send(fd, request, request->head.nlmsg_len, 0);
	if (len >= 0)
		len = recv(fd, &reply, sizeof(reply), 0);
	ret = len < 0 ? -errno : 0;
	close(fd);
	if (ret)
		return ret;
	if (len < (ssize_t)NLMSG_HDRLEN)
		return -EBADMSG;
	return reply.head.nlmsg_type == NLMSG_ERROR ? error->error : 0;
}

static int ask_getnsid(int nr)
{
	struct request request = { .head.nlmsg_type = RTM_GETNSID };

	return talk(&request, sizeof(struct rtgenmsg), NETNSA_PID, nr);
}

/*
 * Moves the loopback device, which cannot be moved, in a network of the
 * caller's own: elsewhere the right to it is asked for before the number.
 */
static int ask_setlink(int nr)
{
	struct request request = { .head.nlmsg_type = RTM_SETLINK };
	struct ifinfomsg *info = (void *)request.body;

	/* In a user namespace of its own it would be capable of nothing outside */
	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return -errno;
	info->ifi_index = 1;
	return talk(&request, sizeof(*info), IFLA_NET_NS_PID, nr);
}

static int ask_netlink_bind(int nr)
{
	const struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_pid = nr };
	int fd, ret;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	ret = answer(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)));
	close(fd);
	return ret;
}

static const struct {
	const char *name;
	int (*ask)(int nr);
	unsigned int kind;
} probes[] = {
	{ "kill(pid)", ask_kill, 0 },
	{ "kill(-pgid)", ask_kill_group, YS_PROBE_GROUP },
	{ "tkill", ask_tkill, 0 },
	{ "tgkill", ask_tgkill, 0 },
	{ "rt_sigqueueinfo", ask_sigqueue, 0 },
	{ "rt_tgsigqueueinfo", ask_tgsigqueue, 0 },
	{ "getpgid", ask_getpgid, 0 },
	{ "getsid", ask_getsid, 0 },
	{ "setpgid(0, pgid)", ask_setpgid_to, YS_PROBE_GROUP },
	{ "getpriority(PRIO_PROCESS)", ask_getpriority, 0 },
	{ "getpriority(PRIO_PGRP)", ask_getpriority_group, YS_PROBE_GROUP },
	{ "getpriority(PRIO_USER)", ask_getpriority_user, YS_PROBE_USER },
	{ "setpriority(PRIO_PROCESS)", ask_setpriority, YS_PROBE_SETS },
	{ "setpriority(PRIO_PGRP)", ask_setpriority_group,
	  YS_PROBE_SETS | YS_PROBE_GROUP },
	{ "prlimit64", ask_prlimit, 0 },
	{ "capget", ask_capget, 0 },
	{ "ioprio_get(IOPRIO_WHO_PROCESS)", ask_ioprio_get, 0 },
	{ "ioprio_get(IOPRIO_WHO_PGRP)", ask_ioprio_get_group,
	  YS_PROBE_GROUP },
	{ "ioprio_get(IOPRIO_WHO_USER)", ask_ioprio_get_user, YS_PROBE_USER },
	{ "ioprio_set(IOPRIO_WHO_PROCESS)", ask_ioprio_set, YS_PROBE_SETS },
	{ "ioprio_set(IOPRIO_WHO_PGRP)", ask_ioprio_set_group,
	  YS_PROBE_SETS | YS_PROBE_GROUP },
	{ "sched_getscheduler", ask_sched_getscheduler, 0 },
	{ "sched_getparam", ask_sched_getparam, 0 },
	{ "sched_getattr", ask_sched_getattr, 0 },
	{ "sched_getaffinity", ask_sched_getaffinity, 0 },
	{ "sched_rr_get_interval", ask_sched_rr_get_interval, 0 },
	{ "sched_setscheduler", ask_sched_setscheduler, YS_PROBE_SETS },
	{ "sched_setparam", ask_sched_setparam, YS_PROBE_SETS },
	{ "sched_setattr", ask_sched_setattr, YS_PROBE_SETS },
	{ "sched_setaffinity", ask_sched_setaffinity, YS_PROBE_SETS },
	{ "prctl(PR_SCHED_CORE, GET)", ask_sched_core_get, 0 },
	{ "prctl(PR_SCHED_CORE, SHARE_FROM)", ask_sched_core_from, 0 },
	{ "pidfd_open", ask_pidfd_open, 0 },
	{ "pidfd_open(PIDFD_THREAD)", ask_pidfd_thread, 0 },
	{ "ptrace(PTRACE_SEIZE)", ask_ptrace, 0 },
	{ "process_vm_readv", ask_vm_readv, 0 },
	{ "process_vm_writev", ask_vm_writev, 0 },
	{ "move_pages", ask_move_pages, 0 },
	{ "migrate_pages", ask_migrate_pages, 0 },
	{ "kcmp, first process", ask_kcmp, 0 },
	{ "kcmp, second process", ask_kcmp_second, 0 },
	{ "get_robust_list", ask_robust_list, 0 },
	{ "perf_event_open(pid)", ask_perf, 0 },
	{ "prctl(PR_SET_PTRACER)", ask_set_ptracer, 0 },
	{ "fcntl(F_SETOWN, pid)", ask_setown, 0 },
	{ "fcntl(F_SETOWN, -pgid)", ask_setown_group, YS_PROBE_GROUP },
	{ "fcntl(F_SETOWN_EX, F_OWNER_TID)", ask_setown_tid, 0 },
	{ "fcntl(F_SETOWN_EX, F_OWNER_PID)", ask_setown_pid, 0 },
	{ "fcntl(F_SETOWN_EX, F_OWNER_PGRP)", ask_setown_pgrp,
	  YS_PROBE_GROUP },
	{ "ioctl(FIOSETOWN)", ask_fiosetown, 0 },
	{ "ioctl(SIOCSPGRP)", ask_siocspgrp, 0 },
	{ "ioctl(TIOCSPGRP)", ask_tiocspgrp, YS_PROBE_GROUP },
	{ "clock_gettime, CPU clock of a process", ask_clock_gettime, 0 },
	{ "clock_getres, CPU clock", ask_clock_getres, 0 },
	{ "clock_nanosleep, CPU clock", ask_clock_nanosleep, 0 },
	{ "clock_settime, CPU clock", ask_clock_settime, 0 },
	{ "timer_create, CPU clock", ask_timer_create, 0 },
	{ "futex(FUTEX_LOCK_PI)", ask_futex, 0 },
	{ "ioctl(NS_GET_PID_FROM_PIDNS)", ask_ns_pid_from, 0 },
	{ "ioctl(NS_GET_TGID_FROM_PIDNS)", ask_ns_tgid_from, 0 },
	{ "ioctl(NS_GET_PID_IN_PIDNS)", ask_ns_pid_in, 0 },
	{ "ioctl(NS_GET_TGID_IN_PIDNS)", ask_ns_tgid_in, 0 },
	{ "RTM_GETNSID with NETNSA_PID", ask_getnsid, 0 },
	{ "RTM_SETLINK with IFLA_NET_NS_PID", ask_setlink, 0 },
	{ "bind(AF_NETLINK) to a port number", ask_netlink_bind,
	  YS_PROBE_LEFT },
};

#define PROBES	(sizeof(probes) / sizeof(probes[0]))

const char *ys_probe_name(unsigned int index)
{
	return index < PROBES ? probes[index].name : NULL;
}

int ys_probe_kind(unsigned int index)
{
	return index < PROBES ? (int)probes[index].kind : -EINVAL;
}

int ys_probe(unsigned int index, int nr)
{
	if (index >= PROBES || nr <= 0)
		return -EINVAL;
	return probes[index].ask(nr);
}

int ys_shm_creator(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) ? -errno : ds.shm_cpid;
}

int ys_msg_sender(int id)
{
	struct msqid_ds ds;

	return msgctl(id, IPC_STAT, &ds) ? -errno : ds.msg_lspid;
}
