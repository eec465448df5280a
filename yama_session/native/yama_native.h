/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Python binding and the PAM module share.
 *
 * Every function returns a value >= 0 or a negative errno.  None prints,
 * exits, keeps global state or touches a signal handler; every descriptor
 * returned is close-on-exec and the caller's own.
 */
#ifndef YAMA_NATIVE_H
#define YAMA_NATIVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "yama_abi.h"

/* The version of this header's functions; the package compares it on import */
#define YS_NATIVE_VERSION	2

enum ys_enforcer {
	YS_YAMA = 1,
	YS_LANDLOCK = 2,
	YS_BPF = 3,
};

/* The two values of hidepid= that we mount */
#define YS_HIDEPID_OFF		0
#define YS_HIDEPID_PTRACEABLE	4

/*
 * ys_procfs_attach(): leave no way to what only this instance hides.  Every other
 * procfs of the namespace is covered, every directory above 2 is close-on-exec,
 * and stdin, stdout and stderr are refused on a procfs (-EXDEV) or on a
 * directory (-EISDIR) before anything has changed.
 */
#define YS_ATTACH_STRICT	1

/* ys_userns_enter(): also a pid namespace */
#define YS_USERNS_PID		1

/*
 * ys_probe_kind(): the number is one of a group or of a user; the call sets
 * what is there already, and may be asked only of a process that the caller
 * has started; the process must have left something, here a netlink socket
 */
#define YS_PROBE_GROUP		1
#define YS_PROBE_USER		2
#define YS_PROBE_SETS		4
#define YS_PROBE_LEFT		8

/* How long the key of a domain is that BPF programs keep */
#define YS_BPF_KEY_SIZE		16

/* The first Landlock ABI whose rulesets may consist of a scope alone */
#define YS_LANDLOCK_MIN_ABI	6

/**
 * struct ys_domain_info - a domain as the kernel describes it
 * @id:       unique while the machine is up
 * @scope:    composed level, PR_PTRACE_SCOPE_CLASSIC to _NO_ATTACH
 * @view:     composed view, PR_PTRACE_VIEW_ALL to _INFERIORS
 * @depth:    1 for a top-level domain
 * @override: 1 if the scope stands in place of the sysctl
 */
struct ys_domain_info {
	uint64_t id;
	unsigned int scope;
	unsigned int view;
	unsigned int depth;
	unsigned int override;
};

/*
 * domain.c: one call of prctl(PR_PTRACE_SCOPE) each.  A kernel without the
 * series answers -EINVAL to all of them, unless a BPF program answers some.
 *
 * ys_abi() returns the newest version up to YS_ABI that is answered, 0 for none.
 * ys_enter(), ys_create() and ys_check() name a view, by the numbers of YS_ABI:
 * they are -EOPNOTSUPP where only an older version is answered.
 * ys_is_series() returns 1 if the series answers, 0 if something else does or
 * nothing.  ys_join_key() is answered by BPF programs only, and is -ENOENT if no
 * domain has the key, -EOPNOTSUPP if no programs are there.
 */
int ys_has(unsigned int abi);
int ys_abi(void);
int ys_is_series(void);
int ys_enter(unsigned int scope, unsigned int view, unsigned int flags);
int ys_create(unsigned int scope, unsigned int view, unsigned int flags);
int ys_join(int domain_fd, unsigned int flags);
int ys_join_key(uint64_t low, uint64_t high, unsigned int flags);
int ys_leave(unsigned int flags);
int ys_check(unsigned int scope, unsigned int view);
int ys_open(int pidfd);
int ys_allow(int tracee_pidfd, int tracer_pidfd); /* tracer -1: withdraw */

/*
 * look.c: read what the kernel says about domains.
 *
 * ys_describe() fills @ret from /proc/<pid>/attr/yama/scope and returns 1,
 * or 0 if the task has no domain; -ENOENT: no such task, or one that this
 * task may not see; -EOPNOTSUPP: the kernel has no domains.
 * ys_info() does the same for a domain descriptor, from its fdinfo.
 * Text that does not follow the documented form is -EBADMSG, and @ret is
 * untouched.
 * ys_view() returns the view that a word of the kernel's names, or -EINVAL;
 * ys_view_word() the word, or NULL for a number of none.
 */
int ys_describe(pid_t pid, struct ys_domain_info *ret);
int ys_info(int domain_fd, struct ys_domain_info *ret);
int ys_parse_attr(const char *text, size_t len, struct ys_domain_info *ret);
int ys_parse_fdinfo(const char *text, size_t len, struct ys_domain_info *ret);
int ys_view(const char *word, size_t len);
const char *ys_view_word(unsigned int view);

/*
 * look.c: ask whether the kernel would let this task attach to the process
 * behind a pidfd, by a call that needs the same access and then does nothing.
 * Returns 1 or 0; -ESRCH: it has exited, or is hidden.  That another one traces
 * it already, or that it is a kernel thread, is not asked.
 */
int ys_may_attach(int pidfd);

/*
 * probe.c: calls that name a process, asked for what they answer.
 *
 * ys_probe_name() returns the name of one, NULL behind the last; the names
 * are those of kernel/CHANNELS.md.  ys_probe() asks it about a number > 0 and
 * returns 0 or -errno.  It may change the caller: its session, its process
 * group, its tracer.  Call it in a child that exits.
 * ys_shm_creator() and ys_msg_sender() return the process number that an
 * object of System V's IPC keeps.
 */
const char *ys_probe_name(unsigned int index);
int ys_probe_kind(unsigned int index);
int ys_probe(unsigned int index, int nr);
int ys_shm_creator(int id);
int ys_msg_sender(int id);

/*
 * procfs.c: a private instance of procfs.
 *
 * ys_procfs_new() returns a detached mount (nosuid, nodev, noexec), and so does
 * ys_procfs_as_init(), with the hidepid= of the first process's /proc; -EALREADY
 * if the caller's /proc is that one.
 * ys_procfs_attach() gives the calling thread its own mount namespace and
 * stacks the instance on /proc there; see procfs.c for what else it does.
 * Once it has unshared there is no way back: after a failure the caller
 * must refuse whatever the namespace was for.
 */
int ys_procfs_new(unsigned int hidepid);
int ys_procfs_as_init(void);
int ys_procfs_attach(int mount_fd, unsigned int flags);

/*
 * namespace.c: a new user and mount namespace (YS_USERNS_PID: and a pid
 * namespace for the children) with the caller's own uid and gid mapped to themselves and
 * nothing else.  The caller holds every capability there, and no group can
 * be set.  It must have no other threads (-EINVAL).
 */
int ys_userns_enter(unsigned int flags);

/*
 * landlock.c: a ruleset that only keeps signals (and with them ptrace and
 * the sight of a ptraceable procfs) inside.  ys_landlock_abi() answers
 * -ENOSYS (not built) or -EOPNOTSUPP (disabled at boot) where there is none.
 */
int ys_landlock_abi(void);
int ys_landlock_create(void);
int ys_landlock_restrict(int ruleset_fd);

/*
 * bpf.c: a domain that BPF programs keep is named by a key, which travels as
 * the content of a descriptor, the token.  ys_bpf_key() and ys_bpf_apply() are
 * -EINVAL for a descriptor that is no token, and the latter for the rest what
 * ys_join_key() is.
 */
int ys_bpf_token(const unsigned char *key);
int ys_bpf_key(int token_fd, unsigned char *ret);
int ys_bpf_apply(int token_fd, unsigned int flags);

/*
 * session.c: what a login needs of each enforcer.
 *
 * ys_token_apply() confines the calling thread with a token: a yama domain,
 * a Landlock ruleset or the key of a domain that BPF programs keep.
 * @flags: PR_PTRACE_SCOPE_F_THREAD or 0.
 *
 * ys_child() forks, unnoticed by the caller's program: without an exit signal its
 * SIGCHLD handler is not called, its wait() cannot take the child, and an ignored
 * SIGCHLD does not reap it.  All signals are blocked in the child: those of a
 * terminal would run the program's handlers there, or dump its core.  It returns
 * as fork(2) or a negative errno; the child makes system calls and leaves alone
 * what has locks.  ys_child_status() waits: 0, the negated exit status, or -ECHILD
 * for a child that was killed.
 *
 * ys_bystander() starts a process without capabilities that stays where the
 * caller is now: @ret is its pid, and the result a descriptor, at whose end it
 * ends.  To be seen by the caller's like, who has none either, it lacks nothing:
 * where they do not see it, a domain is why.  It keeps the caller's effective
 * ids: it is a copy of the caller, whose memory is not for the user to look
 * into.  ys_bystander_end() ends it and closes the descriptor.
 *
 * ys_verify() proves that the caller is confined: the domain is at least @scope
 * and @view (yama, bpf), the thread sees itself in /proc, and @outside, a process
 * that must not be seen, is missing there (0: do not look; PR_PTRACE_VIEW_ALL
 * never looks).  It looks without capabilities, which show everything but to
 * Landlock, and gets them back.  PR_PTRACE_VIEW_USER shows what is of its real
 * uid: a thread that may takes on another one for the look, and for one that may
 * not @outside must be another user's.  That children inherit is the kernel's business,
 * but for bpf, where one of them is asked instead.  -ENODATA: the domain is
 * weaker; -EACCES: @outside is visible; -ENOENT: not even itself is visible; else
 * what a call said.
 */
long ys_child(void);
int ys_child_status(pid_t pid);
int ys_bystander(pid_t *ret);
void ys_bystander_end(int fd, pid_t bystander);
int ys_token_apply(enum ys_enforcer enforcer, int token_fd, unsigned int flags);
int ys_verify(enum ys_enforcer enforcer, unsigned int scope, unsigned int view,
	      pid_t outside);

/*
 * names.c: accounts and groups, where a name service that cannot answer is an
 * error and never "there is none".
 *
 * 1: it exists, and what is returned is set; 0: it does not; -ENAMETOOLONG: its
 * name does not fit into the room; -EREMOTEIO: a service failed and did not say
 * why; else its errno.
 *
 * ys_groups() gives the number of groups that a user is in, of which as many as
 * fit are written: the primary one, and those that a login would get.
 */
int ys_user_id(const char *name, uid_t *ret);
int ys_user(uid_t uid, char *ret_name, size_t name_size, gid_t *ret_gid);
int ys_group_id(const char *name, gid_t *ret);
int ys_group(gid_t gid, char *ret_name, size_t name_size);
int ys_groups(const char *user, gid_t gid, gid_t *ret, int size);

#endif /* YAMA_NATIVE_H */
