# SPDX-License-Identifier: GPL-2.0-only
#
# `make help` lists the targets. Everything built goes into build/ (BUILD=elsewhere moves it).
#
# Variables that ask the machine something (which clang, pkg-config) are evaluated when a recipe needs
# them, not when this file is read: `make help` and `make clean` work with nothing installed, and
# `make demo` and `make test` first install what is missing and then start make anew.

VERSION := 0.1.0

PREFIX ?= /usr/local
DESTDIR ?=
SBINDIR ?= $(PREFIX)/sbin
UNITDIR ?= $(PREFIX)/lib/systemd/system
DOCDIR ?= $(PREFIX)/share/doc/edge53
MANDIR ?= $(PREFIX)/share/man
# pppd looks in /etc/ppp only.
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
PPPDIR ?= $(SYSCONFDIR)/ppp/ip-pre-up.d
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d

BUILD ?= build

ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config
BPFTOOL ?= bpftool
CLANG_FORMAT ?= clang-format
# The first that is clang 14 or newer.
CLANG ?= $(call once,CLANG,for c in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do \
	v=$$(echo __clang_major__ | $$c -E -P -x c - 2>/dev/null) && [ "$$v" -ge 14 ] && { echo $$c; exit; }; \
	done; echo clang)
LLVM_STRIP ?= $(call once,LLVM_STRIP,for v in '' -19 -18 -17 -16 -15 -14; do \
	command -v llvm-strip$$v >/dev/null && { echo llvm-strip$$v; exit; }; done; echo llvm-strip)

# bpftool and the tools of the tests are in sbin, which is not in everyone's PATH.
export PATH := $(PATH):/usr/sbin:/sbin

# $(call once,NAME,COMMAND): the output of the command, which runs at the first use of NAME only.
once = $(eval $1 := $$(shell $$2))$($1)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
MAKEFLAGS += --no-print-directory
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += -r

.PHONY: all
all: $(BUILD)/edge53 $(BUILD)/pktgen.bpf.o ## Build build/edge53

# --- BPF --------------------------------------------------------------------------------------

MACHINE := $(shell uname -m)
BPF_ARCH_x86_64 := x86
BPF_ARCH_aarch64 := arm64
BPF_ARCH := $(or $(BPF_ARCH_$(MACHINE)),$(MACHINE))

# v3 is what clang 14 and the kernel of Debian 12 know. Debian keeps asm/ of the UAPI headers in the
# multiarch directory, where clang does not look when the target is bpf.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -D__TARGET_ARCH_$(BPF_ARCH) \
	-Iinclude -Ibpf -idirafter /usr/include/$(MACHINE)-linux-gnu

$(BUILD)/edge53.bpf.o: bpf/edge53.bpf.c Makefile | $(BUILD)/.tools
	$(say) BPF $(@F)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@
	$(Q)$(CLANG) -dumpversion >$(@D)/edge53.clang

$(BUILD)/edge53.skel.h: $(BUILD)/edge53.bpf.o
	$(say) SKEL $(@F)
	$(Q)$(BPFTOOL) gen skeleton $< name edge53_bpf >$@.tmp && mv $@.tmp $@

# The same programs with a record of their steps, for `edge53 explain` (bpf/trace.h).
$(BUILD)/edge53_trace.bpf.o: bpf/edge53.bpf.c Makefile | $(BUILD)/.tools
	$(say) BPF $(@F)
	$(Q)$(CLANG) $(BPF_CFLAGS) -DEDGE53_TRACE -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/edge53_trace.skel.h: $(BUILD)/edge53_trace.bpf.o
	$(say) SKEL $(@F)
	$(Q)$(BPFTOOL) gen skeleton $< name edge53_trace_bpf >$@.tmp && mv $@.tmp $@

# For scripts/pktgen.sh, which may be on another machine than edge53.
$(BUILD)/pktgen.bpf.o: scripts/pktgen.bpf.c Makefile | $(BUILD)/.tools
	$(say) BPF $(@F)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

# The programs must load whatever clang of Debian 12 and 13 built them. Installed ones of this list
# other than $(CLANG) get their own build directory, and the prog tests run in each.
MATRIX_CLANGS ?= clang-14 clang-19
matrix_clangs = $(call once,matrix_clangs,main=$$($(CLANG) -dumpversion 2>/dev/null); \
	for c in $(MATRIX_CLANGS); do v=$$($$c -dumpversion 2>/dev/null) && [ "$$v" != "$$main" ] && echo $$c; done)

.PHONY: bpf-clang-matrix
bpf-clang-matrix: $(BUILD)/edge53.skel.h ## Compile the BPF object with every clang of MATRIX_CLANGS that is installed
	$(Q)set -e; for c in $(matrix_clangs); do \
		$(MAKE) $(if $(Q),-s) BUILD=$(BUILD)/$$c CLANG=$$c $(BUILD)/$$c/edge53.skel.h; done

# --- the loader -------------------------------------------------------------------------------

LOADER_PKGS := libbpf libcyaml yaml-0.1 libmnl smartcols jansson libsystemd ncursesw libcap-ng

# What can be left out, with METRICS=0 or DNSTAP=0, or where its libraries are not installed.
ifndef METRICS
METRICS := $(shell $(PKG_CONFIG) --exists libmicrohttpd 2>/dev/null && echo 1 || echo 0)
endif
PROTOC_C ?= protoc-c
ifndef DNSTAP
DNSTAP := $(shell $(PKG_CONFIG) --exists libfstrm libprotobuf-c 2>/dev/null && command -v $(PROTOC_C) >/dev/null && echo 1 || echo 0)
endif
LOADER_PKGS += $(if $(filter 1,$(METRICS)),libmicrohttpd) $(if $(filter 1,$(DNSTAP)),libfstrm libprotobuf-c)
LEFT_OUT := $(if $(filter 1,$(METRICS)),,loader/metrics.c) \
	$(if $(filter 1,$(DNSTAP)),,loader/dnstap_message.c loader/dnstap_pb.c loader/dnstap_stream.c)

LOADER_SRCS := $(filter-out $(LEFT_OUT),$(wildcard loader/*.c))
LOADER_OBJS := $(LOADER_SRCS:%.c=$(BUILD)/%.o)

pkg_cflags = $(call once,pkg_cflags,$(PKG_CONFIG) --cflags $(LOADER_PKGS))
pkg_libs = $(call once,pkg_libs,$(PKG_CONFIG) --libs $(LOADER_PKGS))

CPPFLAGS ?=
CFLAGS ?= -O2 -g
LDFLAGS ?=

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes $(if $(WERROR),-Werror)
INCLUDES := -Iinclude -Iloader -Ibpf -I$(BUILD)
# An empty value: then a source file's own `#define _GNU_SOURCE` is not a redefinition.
C_COMMON := -std=gnu11 -D_GNU_SOURCE= $(WARNINGS) $(INCLUDES)
HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDENING_LD := -pie -Wl,-z,relro,-z,now

$(BUILD)/loader/%.o: loader/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(HARDENING) $(pkg_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/edge53: $(LOADER_OBJS)
	$(say) LINK $(@F)
	$(Q)$(CC) $(HARDENING_LD) $(CFLAGS) $(LDFLAGS) $^ $(pkg_libs) -o $@

$(BUILD)/dnstap.pb-c.c: loader/dnstap.proto Makefile | $(BUILD)/.tools
	$(say) PROTO $(@F)
	$(Q)$(PROTOC_C) --c_out=$(BUILD) --proto_path=loader $<

# Until the first .d files exist, say who needs what is generated.
objs_using = $(patsubst %.c,$(BUILD)/%.o,$(shell grep -ls $1 loader/*.c))
$(call objs_using,edge53.skel.h): | $(BUILD)/edge53.skel.h
$(call objs_using,dnstap.pb-c): | $(BUILD)/dnstap.pb-c.c
$(call objs_using,edge53_trace.skel.h): | $(BUILD)/edge53_trace.skel.h

# EDGE53_VERSION reaches only the files that use it, so that a commit does not rebuild everything.
VERSION_OBJS := $(call objs_using,EDGE53_VERSION)
$(VERSION_OBJS): CPPFLAGS += -include $(BUILD)/version.h
$(VERSION_OBJS): $(BUILD)/version.h

# What is built in, for #include "built_in.h".
$(BUILD)/built_in.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)printf '#define EDGE53_WITH_%s\n' 'METRICS $(METRICS)' 'DNSTAP $(DNSTAP)' >$@.tmp; \
	if cmp -s $@.tmp $@; then rm $@.tmp; else mv $@.tmp $@; fi

# REVISION=v1.2.3: where git cannot be asked.
$(BUILD)/version.h: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)rev='$(REVISION)'; [ -n "$$rev" ] || rev=$$(git -c safe.directory='$(CURDIR)' describe --tags --always --abbrev=7 --match 'v[0-9]*' 2>/dev/null); \
	case $$rev in '') v=$(VERSION);; v*) v=$${rev#v};; *) v=$(VERSION)+g$$rev;; esac; \
	line="#define EDGE53_VERSION \"$$v\""; \
	[ "$$line" = "$$(cat $@ 2>/dev/null)" ] || echo "$$line" >$@

# --- tests ------------------------------------------------------------------------------------

# Loader files that know neither kernel nor BPF; host tests link what they need of them, with ASan
# and UBSan.
PURE_SRCS := $(wildcard loader/util*.c loader/log*.c loader/clients.c loader/config*.c loader/dns_message.c \
	loader/explain_decode.c loader/explain_packet.c loader/exposition.c loader/findings.c \
	loader/health_state.c loader/latency_table.c loader/plan*.c loader/proxy_header.c loader/reason*.c loader/sample.c loader/trusted.c) \
	$(filter-out loader/check_read%,$(wildcard loader/check_*.c))
PURE_OBJS := $(PURE_SRCS:%.c=$(BUILD)/asan/%.o)
PURE_PKGS := libcyaml yaml-0.1 jansson libsystemd

HOST_TESTS := $(patsubst tests/host/%.c,$(BUILD)/tests/%,$(wildcard tests/host/test_*.c))
PROG_SRCS := $(wildcard tests/prog/*.c)
PROG_OBJS := $(PROG_SRCS:%.c=$(BUILD)/%.o)
# The model of what becomes of a packet, and the world it shares with the prog tests.
MODEL_SRCS := $(wildcard tests/model/*.c tests/prog/world*.c tests/prog/frame*.c)
MODEL_OBJS := $(MODEL_SRCS:%.c=$(BUILD)/%.o)

SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
test_cflags = $(call once,test_cflags,$(PKG_CONFIG) --cflags cmocka $(LOADER_PKGS))
host_libs = $(call once,host_libs,$(PKG_CONFIG) --libs cmocka $(PURE_PKGS))
prog_libs = $(call once,prog_libs,$(PKG_CONFIG) --libs cmocka $(LOADER_PKGS))

$(BUILD)/asan/%.o: %.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-test
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(SANITIZE) $(test_cflags) $(CPPFLAGS) -MMD -MP -c $< -o $@

# For headers of bpf/ on the host: helpers are in tests/host/bpf/, words may lie anywhere, and gcc warns
# of more than clang does.
BPF_ON_HOST := -Itests/host -fno-sanitize=alignment \
	-Wno-enum-conversion -Wno-missing-prototypes -Wno-shadow -Wno-unused-function

$(BUILD)/asan/tests/host/test_parse.o: CPPFLAGS += $(BPF_ON_HOST)

# An archive: a test that brings its own version of a function, or includes a .c file, still links.
$(BUILD)/asan/libpure.a: $(PURE_OBJS)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/test_%: $(BUILD)/asan/tests/host/test_%.o $(BUILD)/asan/libpure.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $(filter %.o,$^) $(BUILD)/asan/libpure.a $(host_libs) -lm -o $@

# The arithmetic of the benchmark's report.
$(BUILD)/tests/test_report: $(addprefix $(BUILD)/asan/tests/bench/report_,figures.o floods.o goals.o lines.o)

$(BUILD)/tests/prog/%.o: tests/prog/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-test $(BUILD)/edge53.skel.h
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) -Itests/prog $(test_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/tests/model/%.o: tests/model/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-test
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) -Itests/prog $(test_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# For tests that use the loader's own code; main.o has main().
$(BUILD)/libloader.a: $(filter-out %/main.o,$(LOADER_OBJS))
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/prog_tests: $(PROG_OBJS) $(BUILD)/libloader.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(PROG_OBJS) $(BUILD)/libloader.a $(prog_libs) -o $@

$(BUILD)/tests/model_tests: $(MODEL_OBJS) $(BUILD)/loader/clients.o
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ $(prog_libs) -o $@

# What net tests use besides the loader.
NET_TOOLS := $(addprefix $(BUILD)/tests/,lossy talk_client talk_server longtalk pass.bpf.o meddle.so)

$(filter-out %.o %.so,$(NET_TOOLS)): $(BUILD)/tests/%: tests/net/%.c tests/net/talk.h | $(BUILD)/.tools
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(CFLAGS) $< -o $@

$(BUILD)/tests/meddle.so: tests/net/meddle.c | $(BUILD)/.tools
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(pkg_cflags) $(CFLAGS) -fPIC -shared $< -o $@

# Loaders that take the place of build/edge53 in a test: one with other programs, which another optimization makes
# of the same source, and two of other layouts, which have the same, but do not trust what they find.
NEXT_LOADERS := $(addprefix $(BUILD)/tests/edge53-,programs layout tcp-layout)
NEXT_DIRS := $(NEXT_LOADERS:$(BUILD)/tests/edge53-%=$(BUILD)/next/%)
NEXT_SRCS := loader/dataplane.c loader/state.c
next_flags_programs := -I$(BUILD)/next/programs
next_flags_layout := -DEDGE53_LAYOUT_VERSION=1000000
next_flags_tcp-layout := -DEDGE53_LAYOUT_VERSION=1000001 -DEDGE53_TCP_LAYOUT_VERSION=1000001

$(BUILD)/next/programs/edge53.bpf.o: bpf/edge53.bpf.c Makefile | $(BUILD)/.tools
	$(say) BPF $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Os -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(BUILD)/next/programs/edge53.skel.h: $(BUILD)/next/programs/edge53.bpf.o
	$(say) SKEL $(patsubst $(BUILD)/%,%,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name edge53_bpf >$@.tmp && mv $@.tmp $@

$(NEXT_DIRS:%=%/dataplane.o): | $(BUILD)/edge53.skel.h $(BUILD)/next/programs/edge53.skel.h

define next_loader
$(BUILD)/next/$1/%.o: loader/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools
	$$(say) CC $$(patsubst $(BUILD)/%,%,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(next_flags_$1) -DEDGE53_VERSION='"next"' $$(C_COMMON) $$(HARDENING) $$(pkg_cflags) $$(CFLAGS) -MMD -MP -c $$< -o $$@

$(BUILD)/tests/edge53-$1: $(filter-out $(NEXT_SRCS:%.c=$(BUILD)/%.o),$(LOADER_OBJS)) $(NEXT_SRCS:loader/%.c=$(BUILD)/next/$1/%.o)
	$$(say) LINK $$(patsubst $(BUILD)/%,%,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(HARDENING_LD) $$(CFLAGS) $$(LDFLAGS) $$^ $$(pkg_libs) -o $$@

endef
$(eval $(foreach n,$(NEXT_LOADERS:$(BUILD)/tests/edge53-%=%),$(call next_loader,$n)))

.PHONY: build-host build-prog build-model build-net build-package test test-host test-prog test-model test-net \
	test-package run-tests
build-host: $(HOST_TESTS)
build-prog: $(if $(PROG_SRCS),$(BUILD)/tests/prog_tests)
ifneq ($(PROG_SRCS),)
	$(Q)set -e; for c in $(matrix_clangs); do \
		$(MAKE) $(if $(Q),-s) BUILD=$(BUILD)/$$c CLANG=$$c $(BUILD)/$$c/tests/prog_tests; done
endif
build-model: $(BUILD)/tests/model_tests
build-net: all $(NET_TOOLS) $(NEXT_LOADERS) build-bench
# Before the tests, which have a limit of time. What is wrong with the package is for them to say.
build-package: all
	$(Q)! command -v dh dpkg-buildpackage >/dev/null || BUILD='$(BUILD)' tests/package/build-deb >/dev/null || :

run = $(Q)BUILD='$(BUILD)' CLANG='$(CLANG)' MATRIX_CLANGS='$(matrix_clangs)' TEST='$(TEST)' tests/run

test: ## Install what is missing and run all tests (TEST=pattern: only those)
	$(Q)scripts/install-deps build test package
	$(Q)$(MAKE) run-tests

run-tests: build-host build-corpus build-prog build-model build-net build-package
	$(run) host corpus prog model net package

test-host: build-host build-corpus ## Run the host tests (no root)
	$(run) host corpus

test-prog: build-prog ## Run the packet tests (root)
	$(run) prog

test-model: build-model ## Put a million random packets through every program and a model (root; MODEL_SEED=, MODEL_PACKETS=)
	$(run) model

test-net: build-net ## Run the tests in network namespaces (root)
	$(run) net

test-package: build-package ## Run the tests of unit, man pages, completions and Debian package (root)
	$(run) package

# --- fuzzing ----------------------------------------------------------------------------------

# Each tests/fuzz/fuzz_NAME.c is a target. It links what it needs of the parts of the loader that read
# something. `make test` runs it over its corpus, without libFuzzer and as gcc compiles it.
FUZZ_SRCS := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRCS))
FUZZ_LOADER_SRCS := $(sort $(PURE_SRCS) loader/netlink.c loader/exchange.c loader/pins.c $(wildcard loader/host*.c))
FUZZ_SECONDS ?= 60
FUZZ ?=

FUZZ_CFLAGS := $(BPF_ON_HOST) -Itests/fuzz
FUZZ_WRAP_exchange := -Wl,--wrap=recv
FUZZ_WRAP_netlink := -Wl,--wrap=sendto,--wrap=recv,--wrap=recvfrom

fuzz_libs = $(call once,fuzz_libs,$(PKG_CONFIG) --libs $(PURE_PKGS) libmnl)

# The first clang that has libFuzzer.
FUZZ_CLANG ?= $(call once,FUZZ_CLANG,for c in $(CLANG) clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do \
	echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
		$$c -fsanitize=fuzzer -x c - -o /dev/null 2>/dev/null && { echo $$c; exit; }; \
	done; echo clang-with-libFuzzer)
FUZZ_SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-Wno-gnu-variable-sized-type-not-at-end

$(BUILD)/asan/tests/fuzz/%.o: tests/fuzz/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-test
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(SANITIZE) $(FUZZ_CFLAGS) $(test_cflags) $(CPPFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/asan/libfuzz.a: $(FUZZ_LOADER_SRCS:%.c=$(BUILD)/asan/%.o)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/fuzz_%: $(BUILD)/asan/tests/fuzz/fuzz_%.o $(BUILD)/asan/tests/fuzz/replay.o $(BUILD)/asan/libfuzz.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(SANITIZE) $(FUZZ_WRAP_$*) $^ $(fuzz_libs) -o $@

$(BUILD)/fuzz/%.o: %.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-fuzz
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CLANG) $(C_COMMON) $(FUZZ_SANITIZE) $(FUZZ_CFLAGS) $(pkg_cflags) $(CPPFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/fuzz/libfuzz.a: $(FUZZ_LOADER_SRCS:%.c=$(BUILD)/fuzz/%.o)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libfuzz.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)$(FUZZ_CLANG) $(FUZZ_SANITIZE) $(FUZZ_WRAP_$*) $^ $(fuzz_libs) -o $@

.PHONY: build-corpus build-fuzz fuzz run-fuzz merge-fuzz
build-corpus: $(FUZZ_NAMES:%=$(BUILD)/tests/fuzz_%)
build-fuzz: $(patsubst %,$(BUILD)/fuzz/%,$(or $(FUZZ),$(FUZZ_NAMES)))

fuzz: ## Install what is missing and fuzz all parsers (FUZZ=name: one; FUZZ_SECONDS=60 each)
	$(Q)scripts/install-deps build fuzz
	$(Q)$(MAKE) run-fuzz

run-fuzz: build-fuzz
	$(Q)BUILD='$(BUILD)' FUZZ='$(FUZZ)' FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/run fuzz

# By lines covered, not by how often: that would keep hundreds of inputs.
merge-fuzz: build-fuzz ## Add what `make fuzz` found, and covers something new, to tests/fuzz/corpus
	$(Q)set -e; for f in $(or $(FUZZ),$(FUZZ_NAMES)); do \
		mkdir -p tests/fuzz/corpus/$$f $(BUILD)/fuzz/found/$$f; \
		$(BUILD)/fuzz/$$f -set_cover_merge=1 -use_counters=0 -use_cmp=0 tests/fuzz/corpus/$$f $(BUILD)/fuzz/found/$$f; done

# --- the rest of the tests --------------------------------------------------------------------

# What two net tests compile for themselves, where there is no compiler: in the virtual machines.
$(BUILD)/tests/host_dump: tests/net/host_dump.c $(BUILD)/libloader.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) $(pkg_cflags) $(CFLAGS) $< $(BUILD)/libloader.a $(pkg_libs) -o $@

$(BUILD)/tests/pass.bpf.o: tests/net/pass.bpf.c | $(BUILD)/.tools
	$(say) BPF $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

KERNEL ?= 6.1 6.12
N ?= 10

.PHONY: build-kernels test-kernels run-kernels test-repeat
build-kernels: build-prog build-net $(BUILD)/tests/host_dump

test-kernels: ## Boot the kernels of Debian 12 under QEMU and run the tests there (KERNEL=6.1 or 6.12; root)
	$(Q)scripts/install-deps build test kernels
	$(Q)$(MAKE) run-kernels

run-kernels: build-kernels
	$(subst tests/run,tests/vm/run,$(run)) $(KERNEL)

.PHONY: verifier-baseline run-verifier-baseline
verifier-baseline: ## Save what the programs cost the verifier, here and under the kernels of KERNEL (root)
	$(Q)scripts/install-deps build test kernels
	$(Q)$(MAKE) run-verifier-baseline

run-verifier-baseline: build-prog
	$(subst tests/run,tests/verifier-cost save,$(run)) $(KERNEL)

test-repeat: build-host build-corpus build-prog build-model build-net ## Run all tests N=10 times, beside a second load (root)
	$(subst tests/run,tests/repeat,$(run)) $(N)

# --- the benchmark ----------------------------------------------------------------------------

# tests/bench/NAME.c, with its parts NAME_*.c, is the program build/tests/bench/NAME; bench_more_NAME is what else
# it is linked with. NAME.bpf.c becomes NAME.bpf.o and a skeleton, for whoever includes NAME.skel.h.
BENCH_BPF := $(patsubst tests/bench/%.bpf.c,%,$(wildcard tests/bench/*.bpf.c))
BENCH_SRCS := $(filter-out %.bpf.c,$(wildcard tests/bench/*.c))
BENCH_NAMES := $(foreach s,$(BENCH_SRCS:tests/bench/%.c=%),$(if $(findstring _,$s),,$s))
BENCH_SKELS := $(BENCH_BPF:%=$(BUILD)/tests/bench/%.skel.h)
BENCH_PROGRAMS := $(BENCH_NAMES:%=$(BUILD)/tests/bench/%)

bench_objs = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/$1.c tests/bench/$1_*.c)) $(bench_more_$1)

$(BUILD)/tests/bench/%.bpf.o: tests/bench/%.bpf.c Makefile | $(BUILD)/.tools
	$(say) BPF $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(BENCH_SKELS): %.skel.h: %.bpf.o
	$(say) SKEL $(patsubst $(BUILD)/%,%,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(basename $(basename $(@F)))_bpf >$@.tmp && mv $@.tmp $@

$(BUILD)/tests/bench/%.o: tests/bench/%.c Makefile | $(BUILD)/built_in.h $(BUILD)/.tools-test $(BUILD)/edge53.skel.h $(BENCH_SKELS)
	$(say) CC $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(C_COMMON) -Itests/prog -I$(BUILD)/tests/bench $(test_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

.SECONDEXPANSION:
$(BENCH_PROGRAMS): $(BUILD)/tests/bench/%: $$(call bench_objs,$$*) $(BUILD)/libloader.a
	$(say) LINK $(patsubst $(BUILD)/%,%,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $^ $(prog_libs) -o $@

.PHONY: build-bench bench run-bench
build-bench: all $(BENCH_PROGRAMS)

bench: ## Install what is missing and measure all there is to compare (root; BENCH='-r 9 paths/a': how, and what)
	$(Q)scripts/install-deps build test bench
	$(Q)$(MAKE) run-bench

run-bench: build-bench
	$(Q)BUILD='$(BUILD)' tests/bench/run $(BENCH)

# --- the rest ---------------------------------------------------------------------------------

.PHONY: demo run-demo deps install uninstall clean format help FORCE

demo: ## Install what is missing and show the main job in namespaces (root)
	$(Q)scripts/install-deps build demo
	$(Q)$(MAKE) run-demo

run-demo: all
	$(Q)BUILD='$(BUILD)' scripts/demo

DEPS ?= build test package demo

deps: ## Install what building, tests and demo need (Debian 12 and 13, root; DEPS=kernels: for test-kernels)
	$(Q)scripts/install-deps $(DEPS)

# What is installed, as mode:source:destination.
INSTALLED := \
	755:$(BUILD)/edge53:$(SBINDIR)/edge53 \
	644:loader/edge53.service:$(UNITDIR)/edge53.service \
	644:docs/edge53.8:$(MANDIR)/man8/edge53.8 \
	644:docs/edge53.yaml.5:$(MANDIR)/man5/edge53.yaml.5 \
	644:docs/examples/edge.yaml:$(DOCDIR)/examples/edge.yaml \
	644:docs/examples/enforce.yaml:$(DOCDIR)/examples/enforce.yaml \
	644:loader/edge53.yaml.example:$(DOCDIR)/examples/every-key.yaml \
	644:docs/examples/grafana-dashboard.json:$(DOCDIR)/examples/grafana-dashboard.json \
	644:docs/examples/prometheus-alerts.yaml:$(DOCDIR)/examples/prometheus-alerts.yaml \
	755:scripts/ip-pre-up:$(PPPDIR)/edge53 \
	644:completions/edge53.bash:$(BASHDIR)/edge53 \
	644:completions/_edge53:$(ZSHDIR)/_edge53 \
	644:completions/edge53.fish:$(FISHDIR)/edge53.fish

install: all ## Install below PREFIX (and DESTDIR): binary, unit, man pages, completions, examples, pppd's hook
	$(Q)set -e; for i in $(INSTALLED); do \
		mode=$${i%%:*} paths=$${i#*:}; \
		echo "  INSTALL $${paths#*:}"; \
		install -D -m $$mode "$${paths%%:*}" '$(DESTDIR)'"$${paths#*:}"; done
	$(Q)sed -i 's|@SBINDIR@|$(SBINDIR)|g' '$(DESTDIR)$(UNITDIR)/edge53.service'

uninstall: ## Remove what install put there; configuration and a running dataplane stay
	$(Q)set -e; for i in $(INSTALLED); do \
		paths=$${i#*:}; \
		rm -f '$(DESTDIR)'"$${paths#*:}"; done
	$(Q)for dir in '$(DESTDIR)$(DOCDIR)/examples' '$(DESTDIR)$(DOCDIR)'; do \
		[ ! -d "$$dir" ] || rmdir --ignore-fail-on-non-empty "$$dir"; done

# --- the Debian package -----------------------------------------------------------------------

.PHONY: deb run-deb
deb: ## Install what is missing and build a Debian package into build/deb
	$(Q)scripts/install-deps build package
	$(Q)$(MAKE) run-deb

run-deb:
	$(Q)VERSION='$(VERSION)' scripts/build-deb '$(BUILD)/deb'

clean: ## Remove build/
	$(Q)rm -rf $(BUILD)

format: ## Reformat FILES, by default the C files changed since the last commit
	$(Q)$(CLANG_FORMAT) -i $(or $(FILES),$(shell git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h') \
		$(shell git ls-files --others --exclude-standard -- '*.c' '*.h')) </dev/null

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  Variables: PREFIX DESTDIR BUILD CC CLANG BPFTOOL LLVM_STRIP CFLAGS V=1 WERROR=1 TEST=pattern METRICS=0 DNSTAP=0'

# What a build needs, looked at once, so that a missing tool is one sentence and not a page of errors.
need = @missing=; \
	for t in $1; do command -v $$t >/dev/null || missing="$$missing $$t"; done; \
	if command -v $(PKG_CONFIG) >/dev/null; then \
		for p in $2; do $(PKG_CONFIG) --exists $$p || missing="$$missing $$p"; done; fi; \
	if [ -n "$$missing" ]; then \
		echo "edge53: not installed:$$missing. On Debian 12 and 13 \`make $(or $3,deps)\`, as root, installs it." >&2; \
		exit 1; fi; \
	mkdir -p $(@D) && touch $@

$(BUILD)/.tools:
	$(call need,$(CC) $(CLANG) $(LLVM_STRIP) $(BPFTOOL) $(PKG_CONFIG),$(LOADER_PKGS))

$(BUILD)/.tools-test: | $(BUILD)/.tools
	$(call need,$(CC) $(AR),cmocka)

$(BUILD)/.tools-fuzz: | $(BUILD)/.tools
	$(call need,$(FUZZ_CLANG) $(AR),,fuzz)

-include $(wildcard $(BUILD)/*.d $(BUILD)/loader/*.d $(BUILD)/tests/prog/*.d $(BUILD)/tests/model/*.d $(BUILD)/tests/bench/*.d \
	$(BUILD)/next/*/*.d $(BUILD)/asan/loader/*.d $(BUILD)/asan/tests/*/*.d $(BUILD)/fuzz/loader/*.d $(BUILD)/fuzz/tests/*/*.d)
