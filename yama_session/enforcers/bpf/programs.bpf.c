// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Scope domains on a stock kernel, as BPF programs on its security hooks
 *
 * A hook's program runs only if nobody before it has refused.  None of them
 * sleeps, and none reads or writes memory by an address of its own, so all
 * are allowed under lockdown.  A pointer argument that may be NULL is not
 * named but fetched: the verifier of some kernels takes a named one for never
 * NULL and drops the test.
 */
#include "calls.h"
#include "files.h"
#include "netlink.h"

char _license[] SEC("license") = "GPL";

/* Whom the process of a group leader has named by PR_SET_PTRACER */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct ys_named);
} named_tracers SEC(".maps");

/* A child is where its parent is, or there is no child. */
SEC("lsm/task_alloc")
int BPF_PROG(inherit, struct task_struct *child)
{
	struct ys_bpf_domain *domain = domain_of(bpf_get_current_task_btf());

	if (!alive)
		alive = true;
	if (!domain)
		return 0;
	return bpf_task_storage_get(&members, child, domain,
				    BPF_LOCAL_STORAGE_GET_F_CREATE) ? 0 : -ENOMEM;
}

/*
 * Programs cannot answer prctl() with success, so this is another kind, in the
 * place of the hook.  That kind is left out where one was preempted inside, and
 * gets no memory where a task's entry was just being looked at: the program
 * below gets it then, and says that the call is to be made again.
 */
SEC("fmod_ret/security_task_prctl")
int BPF_PROG(answer, int option, unsigned long op, unsigned long arg3,
	     unsigned long arg4, unsigned long arg5)
{
	int rc;

	if (option != PR_PTRACE_SCOPE)
		return 0;
	rc = scope_call(op, arg3, arg4, arg5);
	if (rc == -ENOMEM)
		return 0;
	return rc ? rc : 1;
}

static __always_inline void name_tracer(struct task_struct *leader,
					unsigned long nr)
{
	struct ys_named *tracer, own = {}, named = { .nr = nr };

	if (nr && nr != -1UL) {
		own = numbered(leader, leader->thread_pid->level);
		named.level = own.level;
		named.ns = own.ns;
	}
	/* In a PID namespace that is too deep nobody is named. */
	if (!nr || (nr != -1UL && !own.nr)) {
		bpf_task_storage_delete(&named_tracers, leader);
		return;
	}
	tracer = bpf_task_storage_get(&named_tracers, leader, &named,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (tracer)
		*tracer = named;
}

SEC("lsm/task_prctl")
int BPF_PROG(repeat, int option, unsigned long op, unsigned long nr)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (option == PR_PTRACE_SCOPE) {
		if ((op == PR_PTRACE_SCOPE_ENTER ||
		     op == PR_PTRACE_SCOPE_JOIN_KEY) &&
		    !bpf_task_storage_get(&members, task, NULL,
					  BPF_LOCAL_STORAGE_GET_F_CREATE))
			return -ENOMEM;
		return -EAGAIN;
	}
	if (option == PR_SET_PTRACER)
		name_tracer(task->group_leader, op);
	/* The kernel tells whether processors share cores before it looks for one. */
	return option == PR_SCHED_CORE && names_nobody(nr) ? -ESRCH : 0;
}

static __always_inline bool has_named(struct task_struct *tracee,
				      struct task_struct *tracer)
{
	const struct ys_named *named;

	named = bpf_task_storage_get(&named_tracers, tracee->group_leader, NULL, 0);
	return named && (named->nr == -1 || descends_from_named(tracer, named));
}

/* May a task attach to one that it sees, by its own level?  Yama adds the sysctl's */
static __always_inline bool may_attach(struct task_struct *tracer,
				       struct task_struct *tracee)
{
	const struct ys_bpf_domain *domain = domain_of(tracer);

	switch (domain ? domain->scope : PR_PTRACE_SCOPE_CLASSIC) {
	case PR_PTRACE_SCOPE_CLASSIC:
		return true;
	case PR_PTRACE_SCOPE_RELATIONAL:
		if (descends_from(tracee, tracer->tgid) ||
		    has_named(tracee, tracer) || traces(tracer, tracee))
			return true;
		/* fallthrough: the capability counts here too */
	case PR_PTRACE_SCOPE_CAPABILITY:
		return is_over(ptrace_ns(tracer->cred),
			       user_ns_of(tracee->real_cred));
	}
	return false;
}

/* What is hidden is missing: ptrace(2) hands that on, all other callers have their own word. */
SEC("lsm/ptrace_access_check")
int BPF_PROG(access, struct task_struct *target, unsigned int mode)
{
	struct task_struct *viewer = bpf_get_current_task_btf();

	if (!is_visible(viewer, viewer->cred, target))
		return -ESRCH;
	if (mode & PTRACE_MODE_ATTACH && !may_attach(viewer, target))
		return -EPERM;
	return 0;
}

SEC("lsm/ptrace_traceme")
int BPF_PROG(traceme, struct task_struct *tracer)
{
	struct task_struct *tracee = bpf_get_current_task_btf();
	const struct ys_bpf_domain *domain = domain_of(tracer);

	if (!domain)
		return 0;
	if (!is_visible(tracer, tracer->real_cred, tracee) ||
	    domain->scope == PR_PTRACE_SCOPE_NO_ATTACH)
		return -EPERM;
	if (domain->scope == PR_PTRACE_SCOPE_CAPABILITY &&
	    !is_over(ptrace_ns(tracer->real_cred), user_ns_of(tracee->cred)))
		return -EPERM;
	return 0;
}

/* The signals that a shell controls jobs with, and the one that is none */
static __always_inline bool is_of_job_control(int sig)
{
	return !sig || (sig >= SIGCONT && sig <= SIGTTOU);
}

/* Does the kernel look only once for whom a signal is for: a thread, or a group? */
static __always_inline bool is_looked_for_once(struct task_struct *task)
{
	struct call call = call_of(task);

	switch (call.nr) {
	case KILL:
	case KILL_32:
		return call.first < -1;
	case TKILL:
	case TKILL_32:
	case TGKILL:
	case TGKILL_32:
	case RT_TGSIGQUEUEINFO:
	case RT_TGSIGQUEUEINFO_32:
		return true;
	}
	return false;
}

/*
 * A parent may do what it likes to a child that it has started, and a child may
 * see that its parent is still there.  Other calls than those above would, for
 * -ESRCH, look for the process again, for ever.
 */
SEC("lsm/task_kill")
int BPF_PROG(kill, struct task_struct *target, void *info, int sig)
{
	struct task_struct *viewer = bpf_get_current_task_btf();
	__u64 cred = 0;

	/* With credentials it is sent for who is not here: a USB request's owner. */
	bpf_get_func_arg(ctx, 3, &cred);
	if (cred || is_visible(viewer, viewer->cred, target) ||
	    has_started(viewer, target) ||
	    (is_of_job_control(sig) && has_started(target, viewer)))
		return 0;
	return is_looked_for_once(viewer) ? -ESRCH : -EPERM;
}

/* Calls that name a process: what is hidden answers as what is missing */
#define HIDES_FROM(hook)						\
	SEC("lsm/" #hook)						\
	int BPF_PROG(hook, struct task_struct *target)			\
	{								\
		struct task_struct *viewer = bpf_get_current_task_btf();\
									\
		return is_visible(viewer, viewer->cred, target) ? 0 : -ESRCH; \
	}

HIDES_FROM(capget)
HIDES_FROM(task_getioprio)
HIDES_FROM(task_getscheduler)
HIDES_FROM(task_movememory)
HIDES_FROM(task_setioprio)
HIDES_FROM(task_setnice)
HIDES_FROM(task_setrlimit)
HIDES_FROM(task_setscheduler)

/* Reading limits: this hook is told of credentials alone. */
SEC("lsm/task_prlimit")
int read_limits(void *ctx)
{
	struct call call = call_of(bpf_get_current_task_btf());

	if ((call.nr == PRLIMIT64 || call.nr == PRLIMIT64_32) &&
	    is_hidden_number(call.first, false))
		return -ESRCH;
	return 0;
}

/* What is asked for, and whether it may be, is told before whom it is asked of. */
SEC("lsm/perf_event_open")
int count_events(void *ctx)
{
	struct call call = call_of(bpf_get_current_task_btf());

	if ((call.nr == PERF_EVENT_OPEN || call.nr == PERF_EVENT_OPEN_32) &&
	    !(call.fifth & PERF_FLAG_PID_CGROUP) && names_nobody(call.second))
		return -ESRCH;
	return 0;
}

/* Calls for the groups of processes, by which a shell knows its jobs */
#define HIDES_FROM_STRANGERS(hook)					\
	SEC("lsm/" #hook)						\
	int BPF_PROG(hook, struct task_struct *target)			\
	{								\
		struct task_struct *viewer = bpf_get_current_task_btf();\
									\
		return is_visible(viewer, viewer->cred, target) ||	\
		       has_started(viewer, target) ||			\
		       has_started(target, viewer) ? 0 : -ESRCH;	\
	}

HIDES_FROM_STRANGERS(task_getpgid)
HIDES_FROM_STRANGERS(task_getsid)

/* Into the group of a hidden process goes nobody, as into one that is not there. */
SEC("lsm/task_setpgid")
int BPF_PROG(join_group, struct task_struct *task, int group)
{
	if (!is_hidden_number(group, true))
		return 0;
	/* A branch: of what is computed from the answer the verifier knows no bounds */
	barrier();
	return -EPERM;
}

SEC("lsm/file_fcntl")
int BPF_PROG(by_fcntl, struct file *file, unsigned int cmd, unsigned long arg)
{
	return name_owner(file, cmd, arg);
}

SEC("lsm/file_ioctl")
int BPF_PROG(by_ioctl, struct file *file, unsigned int cmd, unsigned long arg)
{
	return name_by_ioctl(file, cmd, arg);
}

SEC("lsm/file_ioctl_compat")
int BPF_PROG(by_ioctl_compat, struct file *file, unsigned int cmd,
	     unsigned long arg)
{
	return name_by_ioctl(file, cmd, arg);
}

SEC("lsm/file_send_sigiotask")
int BPF_PROG(signal_owner, struct task_struct *target, struct fown_struct *owner)
{
	return may_signal(owner, target) ? 0 : -EPERM;
}

SEC("lsm/file_free_security")
int BPF_PROG(close_file, struct file *file)
{
	forget_owner((__u64)file);
	return 0;
}

SEC("lsm/file_open")
int BPF_PROG(open_file, struct file *file)
{
	struct task_struct *task = bpf_get_current_task_btf();

	switch (file->f_inode->i_sb->s_magic) {
	case PROC_SUPER_MAGIC:
		return open_of_proc(task, file);
	case PID_FS_MAGIC:
		return open_of_pid(file);
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
		return is_limited(task) ? open_of_cgroup(task, file) : 0;
	}
	return 0;
}

/* Events on the root of a procfs name whatever process another viewer looks at. */
SEC("lsm/path_notify")
int BPF_PROG(watch, const struct path *path, __u64 mask, unsigned int kind)
{
	const struct dentry *entry = path->dentry;

	if (entry->d_sb->s_magic != PROC_SUPER_MAGIC ||
	    (kind == FSNOTIFY_OBJ_TYPE_INODE && entry != entry->d_sb->s_root))
		return 0;
	return is_limited(bpf_get_current_task_btf()) ? -EPERM : 0;
}

/* The process connector reports every fork, exec and exit to whoever listens. */
SEC("lsm/socket_create")
int BPF_PROG(connector, int family, int type, int protocol, int kern)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct ys_bpf_domain *domain;

	if (kern || family != AF_NETLINK || protocol != NETLINK_CONNECTOR)
		return 0;
	domain = domain_of(task);
	return sees(domain, 0, 0, 0, ptrace_ns(task->cred)) ? 0 : -EPERM;
}

SEC("lsm/netlink_send")
int BPF_PROG(send_request, struct sock *sock, struct sk_buff *buffer)
{
	if (sock->sk_protocol != NETLINK_ROUTE ||
	    !is_limited(bpf_get_current_task_btf()))
		return 0;
	return requests_of_nobody(buffer) ? -ESRCH : 0;
}

/*
 * Who is not exempt from a domain may not take the programs away: not by
 * bpf(2), not by their pins, and not by the file system that these are in,
 * which goes with what it is mounted on, too, if that goes lazily.
 */
static __always_inline bool is_held(struct task_struct *task)
{
	return !is_free_of(domain_of(task), 0, ptrace_ns(task->cred));
}

SEC("lsm/bpf")
int guard_calls(void *ctx)
{
	return is_held(bpf_get_current_task_btf()) ? -EPERM : 0;
}

static __always_inline int guard(struct super_block *place)
{
	return place->s_magic == BPF_FS_MAGIC &&
	       is_held(bpf_get_current_task_btf()) ? -EPERM : 0;
}

SEC("lsm/inode_unlink")
int BPF_PROG(guard_unlink, struct inode *directory)
{
	return guard(directory->i_sb);
}

SEC("lsm/inode_rename")
int BPF_PROG(guard_rename, struct inode *directory)
{
	return guard(directory->i_sb);
}

SEC("lsm/sb_umount")
int BPF_PROG(guard_umount, struct vfsmount *mount, int flags)
{
	struct task_struct *task = bpf_get_current_task_btf();

	/* A namespace of one's own has its own mounts; what is there is a copy. */
	if (flags & MNT_DETACH && is_held(task) &&
	    user_ns_of(task->cred) == PROC_USER_INIT_INO)
		return -EPERM;
	return guard(mount->mnt_sb);
}

/* @empty: room for what is written */
static __always_inline int tell(struct bpf_iter__task *ctx,
				struct task_struct *task,
				const struct ys_bpf_domain *domain,
				struct ys_bpf_member *empty)
{
	empty->tgid = task->tgid;
	empty->tid = task->pid;
	empty->domain = *domain;
	/* It may be about to change. */
	if (!empty->domain.depth)
		return 0;
	bpf_seq_write(ctx->meta->seq, empty, sizeof(*empty));
	return 0;
}

/* All members, as struct ys_bpf_member */
SEC("iter/task")
int list(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	const struct ys_bpf_domain *domain;
	struct ys_bpf_member empty = {};

	if (!task)
		return 0;
	domain = domain_of(task);
	return domain ? tell(ctx, task, domain, &empty) : 0;
}

/* When the programs began not to be called, by the monotonic clock; 0: never */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} outage SEC(".maps");

/* Where processes stand: those of one user in one cgroup */
struct place {
	__u64 cgroup;
	__u64 uid;
};

/* The domain that all of them there are in; of no depth if there is no such */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct place);
	__type(value, struct ys_bpf_domain);
} places SEC(".maps");

static __always_inline struct place place_of(struct task_struct *task)
{
	struct place place = {
		.cgroup = task->cgroups->dfl_cgrp->kn->id,
		.uid = task->real_cred->uid.val,
	};

	return place;
}

static __always_inline void note_place(struct task_struct *task,
				       const struct ys_bpf_domain *domain)
{
	struct place place = place_of(task);
	struct ys_bpf_domain *known = bpf_map_lookup_elem(&places, &place);
	int shared;

	if (!known) {
		bpf_map_update_elem(&places, &place, domain, BPF_NOEXIST);
		return;
	}
	shared = shared_levels(known, domain);
	if (domain->depth && shared == domain->depth)
		*known = *domain;
	else if (shared < known->depth)
		known->depth = 0;
}

/*
 * What members have forked while no program was called is in no domain.  It is
 * put where its parent is now, or else where all others of its user in its
 * cgroup are, and told as a member.  Who has left a domain is none of them: it
 * keeps an empty entry.
 */
SEC("iter/task")
int adopt(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct ys_bpf_member empty = {};
	struct ys_bpf_domain *domain;
	struct place place;
	__u32 first = 0;
	__u64 *since = bpf_map_lookup_elem(&outage, &first);

	if (!task || !since || !*since || task->flags & PF_KTHREAD)
		return 0;
	domain = bpf_task_storage_get(&members, task, NULL, 0);
	if (domain || task->start_time < *since) {
		note_place(task, domain ? domain : &empty.domain);
		return 0;
	}
	domain = domain_of(task->group_leader);
	if (!domain)
		domain = domain_of(task->real_parent);
	if (!domain) {
		place = place_of(task);
		domain = bpf_map_lookup_elem(&places, &place);
	}
	if (!domain || !domain->depth ||
	    !bpf_task_storage_get(&members, task, domain,
				  BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	return tell(ctx, task, domain, &empty);
}
