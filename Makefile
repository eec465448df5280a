# make setup       install what the rest needs (Debian 12, as root)
# make demo        the main job on this machine and in virtual ones
# make test        everything: lint, unit, host, series-check, kernel, vm
# make test-sessions  all guests with logins, the long ones too; tests/RESULTS.md
# make test-kernels  all checks of every series, against stock, plain and debug
# make bench       what series and sessions cost, in instructions; bench/*.md
# make man         the pages of the command's verbs anew, from their --help
# make deb         Debian packages of the checkout, in build/deb (or DEBS=)
# make wheel       for pip, in build/wheel
# make install     DESTDIR= PREFIX=/usr; what is in /etc already stays
# make uninstall   switches off first
# make clean       what was built in the checkout; the lab's cache stays

PYTHON	:= /usr/bin/python3
VENV	:= .venv
KERNEL	?= 6.12
KERNELS	:= $(notdir $(wildcard kernel/series/*))
DESTDIR	?=
PREFIX	?= /usr
DEBS	?= build/deb
SITE	:= $(PREFIX)/lib/python3/dist-packages
UNITS	:= $(PREFIX)/lib/systemd/system

# of the tests: the lab is a package beside its launcher
export PYTHONPATH := $(CURDIR):$(CURDIR)/kernel

# of the Debian packages, of the lab, and of the tests
BUILD_PACKAGES := \
	build-essential clang debhelper dh-python libbpf-dev libpam0g-dev libsystemd-dev llvm \
	pkg-config pybuild-plugin-pyproject python3-argcomplete python3-cffi python3-dev \
	python3-setuptools systemd
PACKAGES := $(BUILD_PACKAGES) \
	bc bison cpio flex git kmod libelf-dev libssl-dev patch perl rsync xz-utils \
	busybox-static codespell e2fsprogs mmdebstrap qemu-system-x86 sparse \
	apparmor bash-completion bubblewrap checkpolicy dbus fish gdb libcap-dev lintian mandoc \
	pamtester procps python3-dbus-next python3-prctl python3-venv strace sudo zsh

all: native pam

help:
	@sed -n 's/^# //p;/^$$/q' Makefile

setup: packages $(VENV)/ready native

# apt is asked only if something is missing, so that it costs nothing later
# and needs no network then.
packages:
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$package 2>/dev/null | \
			grep -qx installed || echo $$package; done); \
	if [ -n "$$missing" ]; then \
		echo "setup: installing" $$missing; \
		apt-get update && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends $$missing; \
	fi

$(VENV)/ready: pyproject.toml | packages
	$(PYTHON) -m venv --system-site-packages $(VENV)
	$(VENV)/bin/pip install --quiet 'pytest>=8' 'hypothesis>=6' 'ruff>=0.6' 'mypy>=1.11'
	touch $@

# One run of setup.py makes this, and the loader and the programs in BPF.
NATIVE	:= yama_session/native/_native.abi3.so
BPF	:= yama_session/enforcers/bpf
SOURCES	:= $(wildcard $(foreach room,yama_session/native $(BPF),$(room)/*.[ch] $(room)/build.py))

native: $(NATIVE)

$(NATIVE): $(filter-out %/_native.c %/_loader.c,$(SOURCES)) setup.py
	$(PYTHON) setup.py --quiet build_ext --inplace --build-temp build/native
	touch $@

pam:
	$(MAKE) -C pam

install: install-python install-commands install-pam install-data

install-python: native
	cd yama_session && find . \( -name '*.py' -o -name '*.so' -o -name '*.bpf.o' -o -name py.typed \) \
		-exec install -D -m 0644 {} $(abspath $(DESTDIR))$(SITE)/yama_session/{} \;

install-commands:
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/yama-session
	printf '%s\n' '#!$(PYTHON)' 'import sys' 'from yama_session.cli import main' 'sys.exit(main())' \
		>$(DESTDIR)$(PREFIX)/bin/yama-session
	printf '%s\n' '#!/bin/sh' 'exec $(PYTHON) -I -m yama_session.service "$$@"' \
		>$(DESTDIR)$(PREFIX)/libexec/yama-session/yama-sessiond
	chmod 0755 $(DESTDIR)$(PREFIX)/bin/yama-session \
		$(DESTDIR)$(PREFIX)/libexec/yama-session/yama-sessiond

install-pam:
	$(MAKE) -C pam install DESTDIR=$(abspath $(DESTDIR))

COMPLETIONS := bash-completion/completions fish/vendor_completions.d

# file in data/ -> directory it is installed in
DATA	:= \
	org.yama.Session1.conf:$(PREFIX)/share/dbus-1/system.d \
	org.yama.Session1.service:$(PREFIX)/share/dbus-1/system-services \
	org.yama.session1.policy:$(PREFIX)/share/polkit-1/actions \
	yama-session.service:$(UNITS) \
	yama-session-at.path:$(UNITS) \
	yama-session-at.service:$(UNITS) \
	yama-session-grants.service:$(UNITS) \
	yama-session-grants.timer:$(UNITS) \
	_yama-session:$(PREFIX)/share/zsh/vendor-completions \
	yama-session-hide-units.conf:$(PREFIX)/share/doc/yama-session/examples \
	policy.toml:/etc/yama-session

# Debian's argcomplete: its own shell code, and ours for zsh, which 2.0 has not
install-completions:
	install -d $(COMPLETIONS:%=$(DESTDIR)$(PREFIX)/share/%)
	register-python-argcomplete --shell bash yama-session \
		>$(DESTDIR)$(PREFIX)/share/bash-completion/completions/yama-session
	register-python-argcomplete --shell fish yama-session \
		>$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/yama-session.fish

install-data: install-completions
	for entry in $(filter $(patsubst data/%,%:%,$(wildcard data/*)),$(DATA)); do \
		name=$${entry%%:*} to=$(DESTDIR)$${entry#*:}; \
		case $$to in */etc/*) [ ! -e $$to/$$name ] || continue;; esac; \
		install -D -m 0644 -t $$to data/$$name || exit 1; \
	done
	install -d $(DESTDIR)/etc/yama-session/policy.d
	for page in man/*.[1-8]; do \
		install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man$${page##*.} $$page || exit 1; \
	done

man: native
	$(PYTHON) man/verbs.py

# Builds a copy of the checkout, since the build leaves much behind; PATH has Debian's
# own Python first.
deb:
	@$(MAKE) --no-print-directory packages PACKAGES="$(BUILD_PACKAGES)"
	rm -rf $(DEBS) && mkdir -p $(DEBS)/source
	git ls-files -z --cached --others --exclude-standard --deduplicate | \
		xargs -0 cp --parents -t $(DEBS)/source
	cd $(DEBS)/source && PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		dpkg-buildpackage --build=binary --no-sign
	rm -r $(DEBS)/source

# Without clang or libbpf it has no BPF programs, and says so.
wheel:
	$(PYTHON) -m build --wheel --no-isolation --outdir build/wheel

# What an administrator may have written in /etc stays.
uninstall:
	[ -n "$(DESTDIR)" ] || $(PREFIX)/bin/yama-session off
	$(MAKE) -C pam uninstall DESTDIR=$(abspath $(DESTDIR))
	for entry in $(filter-out %:/etc/yama-session,$(DATA)); do \
		rm -f $(DESTDIR)$${entry#*:}/$${entry%%:*} || exit 1; \
	done
	rm -f $(COMPLETIONS:%=$(DESTDIR)$(PREFIX)/share/%/yama-session*)
	rm -f $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man?/%,$(wildcard man/*.[1-8]))
	rm -rf $(DESTDIR)$(SITE)/yama_session $(DESTDIR)$(PREFIX)/libexec/yama-session
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/yama-session
	rm -f $(DESTDIR)$(PREFIX)/bin/yama-session

# needs nothing from PyPI
demo: packages native
	demo/run

test:
	+@$(PYTHON) tests/parts.py setup test-unit lint+test-host series-check images test-vm+test-kernel

# Kernels and roots, before there are guests: those are held to limits of time.
images:
	kernel/lab build $(KERNEL)
	kernel/lab build $(KERNEL) --stock
	for kernel in $(KERNELS); do \
		kernel/lab run $$kernel --debian --dry-run -- true >/dev/null || exit 1; \
	done

lint:
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

test-unit:
	$(VENV)/bin/pytest tests/unit

test-host: native
	$(VENV)/bin/pytest tests/host

test-vm:
	$(VENV)/bin/pytest tests/vm

series-check:
	kernel/lab check --quick $(KERNEL)

test-kernel:
	kernel/lab test $(KERNEL)

# All guests, those too that take long: real logins of every kind on two releases.
test-sessions: packages native
	$(VENV)/bin/pytest tests/vm --long --results tests/RESULTS.md

# Two hours and more for each kernel: every patch is built, then seven variants.
test-kernels: packages native
	for kernel in $(KERNELS); do \
		kernel/lab check $$kernel && kernel/lab test $$kernel && \
			kernel/lab test --debug $$kernel || exit 1; \
	done
	kernel/lab results

bench: packages
	bench/run --kernel $(KERNEL)

clean:
	$(MAKE) -C pam clean
	rm -rf build $(VENV) $(NATIVE) $(BPF)/_loader.abi3.so $(BPF)/*.bpf.o *.egg-info

.PHONY: all help setup packages native pam install install-python install-pam \
	install-commands install-completions install-data uninstall man deb wheel demo \
	test lint test-unit test-host test-vm test-sessions \
	series-check images test-kernel test-kernels bench clean
# The steps of `setup` and `test` build on one another: in order, one at a time.
.NOTPARALLEL:
