/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What open files tell of processes, and do to them
 *
 * The owner of a file is sent a signal when something arrives, by whoever makes
 * it arrive, even by a thread of the kernel.  So it is noted who has named the
 * owner, for as long as the file is open, and that one's view decides.
 */
#ifndef FILES_H
#define FILES_H

#include "numbers.h"

/* Who has last had a say in the signals of a file; none if nothing is hidden from it */
struct owner {
	struct ys_bpf_domain domain;
	unsigned int uid;
	unsigned int capable;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct owner);
} owners SEC(".maps");

/* How many there are: mostly none, and every file that is closed asks */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} owner_count SEC(".maps");

static __always_inline __u64 *count_of_owners(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&owner_count, &first);
}

static __always_inline void forget_owner(__u64 file)
{
	__u64 *count = count_of_owners();

	if (count && *count && !bpf_map_delete_elem(&owners, &file))
		__sync_fetch_and_sub(count, 1);
}

/*
 * Note whose view the signals of a file are bound to from now on.  It is
 * refused if there is no room: what is not noted would be bound to nothing.
 */
static __always_inline int bind_owner(__u64 file)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct ys_bpf_domain *domain = domain_of(task);
	__u64 *count = count_of_owners();
	struct owner owner = {};

	if (!domain || !count)
		return -ENOMEM;
	owner.domain = *domain;
	owner.uid = task->cred->uid.val;
	owner.capable = is_deputy(task->cred) ? 0 : ptrace_ns(task->cred);
	if (!bpf_map_update_elem(&owners, &file, &owner, BPF_NOEXIST)) {
		__sync_fetch_and_add(count, 1);
		return 0;
	}
	return bpf_map_update_elem(&owners, &file, &owner, BPF_EXIST) ? -ENOMEM : 0;
}

static __always_inline __u64 file_of(struct fown_struct *owner)
{
	if (bpf_core_field_exists(owner->file))
		return (__u64)owner->file;
	return (__u64)owner - bpf_core_field_offset(struct file___embedding, f_owner);
}

/* May the one who has named the owner of a file have a task signalled? */
static __always_inline bool may_signal(struct fown_struct *fown,
				       struct task_struct *target)
{
	__u64 file = file_of(fown);
	const struct owner *owner = bpf_map_lookup_elem(&owners, &file);
	struct viewer viewer;

	if (!owner)
		return true;
	viewer.domain = &owner->domain;
	viewer.uid = owner->uid;
	viewer.capable = owner->capable;
	/* Whose descendant a task would have to be is not known any more. */
	return shows_process(&viewer, target, true);
}

/*
 * A terminal makes its foreground group the owner of a file without one, which
 * F_GETOWN tells: so is it one other than the task's own?
 */
static __always_inline bool is_foreign_terminal(struct task_struct *task,
						struct file *file)
{
	const struct inode *inode = file->f_inode;
	const struct tty_struct *own = task->signal->tty;
	unsigned int major = inode->i_rdev >> MINOR_BITS;
	unsigned int minor = inode->i_rdev & ((1U << MINOR_BITS) - 1);

	if ((inode->i_mode & S_IFMT) != S_IFCHR ||
	    !((major == TTY_MAJOR && minor < FIRST_SERIAL) ||
	      (major >= FIRST_PTS_MAJOR && major <= LAST_PTS_MAJOR)))
		return false;
	return !own || own->driver->major != major ||
	       own->driver->minor_start + own->index != minor;
}

/* Have a file signal its owner; @task is one from which others are hidden */
static __always_inline int start_signals(struct task_struct *task,
					 struct file *file)
{
	return is_foreign_terminal(task, file) ? -EPERM : bind_owner((__u64)file);
}

static __always_inline int read_number(unsigned long from)
{
	int nr = 0;

	bpf_probe_read_user(&nr, sizeof(nr), (const void *)from);
	return nr < 0 ? -nr : nr;
}

/* fcntl(2): 0 or -errno; what is hidden answers as what is missing */
static __always_inline int name_owner(struct file *file, unsigned int cmd,
				      unsigned long arg)
{
	struct task_struct *task = bpf_get_current_task_btf();
	int nr;

	switch (cmd) {
	case F_SETOWN:
		nr = (int)arg < 0 ? -(int)arg : (int)arg;
		break;
	case F_SETOWN_EX:
		/* After the type; where it changes meanwhile the signal is refused still. */
		nr = read_number(arg + sizeof(int));
		break;
	case F_SETSIG:
		return is_limited(task) ? bind_owner((__u64)file) : 0;
	case F_SETFL:
		return arg & O_ASYNC && is_limited(task) ?
			       start_signals(task, file) : 0;
	default:
		return 0;
	}
	if (is_limited(task))
		return is_hidden_number(nr, false) ? -ESRCH :
						     bind_owner((__u64)file);
	forget_owner((__u64)file);
	return 0;
}

/* ioctl(2), likewise, and some that are about no owner but name a process, too */
static __always_inline int name_by_ioctl(struct file *file, unsigned int cmd,
					 unsigned long arg)
{
	struct task_struct *task = bpf_get_current_task_btf();

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		if (is_limited(task))
			return is_hidden_number(read_number(arg), false) ?
				       -ESRCH : bind_owner((__u64)file);
		forget_owner((__u64)file);
		return 0;
	case FIOASYNC:
		return is_limited(task) ? start_signals(task, file) : 0;
	case TIOCSPGRP:
		return is_hidden_number(read_number(arg), true) ? -ESRCH : 0;
	case TIOCSTI:
	case TIOCLINUX:
		/* Types into the terminal, for whoever leads the session there */
		return is_hidden(task->signal->pids[PIDTYPE_SID]) ? -EPERM : 0;
	case NS_GET_PID_FROM_PIDNS ... NS_GET_TGID_IN_PIDNS:
		return is_hidden_number(arg, false) ? -ESRCH : 0;
	}
	return 0;
}

/* Names of files: short ones are in the entry itself */

/*
 * How long the place for one is differs, so only where it begins is asked for,
 * and not for both before it is known which of them there is.
 */
static __always_inline const unsigned char *letters(const struct dentry *entry)
{
	__u64 offset;

	if (bpf_core_field_exists(struct dentry___shortname, d_shortname)) {
		offset = bpf_core_field_offset(struct dentry___shortname, d_shortname);
		barrier_var(offset);
	} else {
		offset = bpf_core_field_offset(struct dentry, d_iname);
		barrier_var(offset);
	}
	return (const void *)entry + offset;
}

/* A constant; unrolled, as a program may follow constant offsets alone */
#define IS_CALLED(entry, text)						\
({									\
	const unsigned char *name = letters(entry);			\
	bool same = (entry)->d_name.len == sizeof(text) - 1;		\
									\
	_Pragma("clang loop unroll(full)")				\
	for (unsigned int i = 0; i < sizeof(text) - 1; i++)		\
		same = same && name[i] == (text)[i];					\
	same;								\
})

/*
 * The lists of processes in a cgroup name those that are hidden, too.  A task
 * reads them of the cgroup that it is in and of those that are its user's,
 * as a service manager of the user must.
 */
static __always_inline int open_of_cgroup(struct task_struct *task,
					  struct file *file)
{
	const struct dentry *entry = file->f_path.dentry;
	unsigned int uid = task->cred->uid.val;

	if (!IS_CALLED(entry, "cgroup.procs") &&
	    !IS_CALLED(entry, "cgroup.threads") && !IS_CALLED(entry, "tasks"))
		return 0;
	if ((uid && file->f_inode->i_uid.val == uid) ||
	    entry->d_parent->d_inode->i_ino == bpf_get_current_cgroup_id())
		return 0;
	return -EACCES;
}

/* From 6.9 on a pidfd is a file that is opened */
static __always_inline int open_of_pid(struct file *file)
{
	const struct pid *pid;

	if (!bpf_rdonly_cast)
		return 0;
	pid = bpf_rdonly_cast(file->f_inode->i_private,
			      bpf_core_type_id_kernel(struct pid));
	return is_hidden(pid) ? -ESRCH : 0;
}

/* Is a file of procfs one of a process that is hidden from the caller? */
static __always_inline bool is_of_hidden(struct file *file)
{
	const struct proc_inode *inode;

	if (!bpf_rdonly_cast)
		return false;
	inode = bpf_rdonly_cast((void *)file->f_inode -
					bpf_core_field_offset(struct proc_inode, vfs_inode),
				bpf_core_type_id_kernel(struct proc_inode));
	return inode->pid && is_hidden(inode->pid);
}

/* Does a file of procfs name processes of everybody? */
static __always_inline bool is_list(const struct dentry *entry)
{
	const struct dentry *parent = entry->d_parent;

	return (parent == entry->d_sb->s_root && IS_CALLED(entry, "locks")) ||
	       IS_CALLED(parent, "sysvipc");
}

/*
 * In a procfs that hides nothing by itself files of hidden processes are not
 * opened either.  The sysctl that stops all programs is not for who is bound by
 * one.
 */
static __always_inline int open_of_proc(struct task_struct *task,
					struct file *file)
{
	const struct dentry *entry = file->f_path.dentry;

	if (file->f_mode & FMODE_WRITE && IS_CALLED(entry, "ftrace_enabled") &&
	    !is_free_of(domain_of(task), 0, ptrace_ns(task->cred)))
		return -EPERM;
	if (!is_limited(task))
		return 0;
	if (is_of_hidden(file))
		return -ENOENT;
	return is_list(entry) ? -EACCES : 0;
}

#endif /* FILES_H */
