# rill: one Makefile, no recursion.  `make help` lists what it can do.
#
# A variant is a compiler with flags and a build directory of its own: make VARIANT=san test
# OUT (where all is built), CC, CFLAGS, LDFLAGS, PREFIX and DESTDIR can be set on the command line.

VARIANT ?= gcc
OUT     ?= build
# To add a variant: a line each for its directory, compiler and flags.
gcc_DIR   := $(OUT)
gcc_CC    := gcc
gcc_FLAGS := -O2
clang_DIR   := $(OUT)/clang
clang_CC    := clang
clang_FLAGS := -O2
san_DIR   := $(OUT)/san
san_CC    := gcc
san_FLAGS := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all

ifeq ($($(VARIANT)_DIR),)
$(error VARIANT=$(VARIANT) is none of: gcc clang san)
endif
B := $($(VARIANT)_DIR)
ifeq ($(origin CC),default)
CC := $($(VARIANT)_CC)
endif
PREFIX ?= /usr/local
# Empty it (make WERROR=) where a compiler newer than those in use here warns of more.
WERROR ?= -Werror

# ---- Flags: the core is plain C11, the rest may use the system --------------------------------------------------
# The sockets need _DEFAULT_SOURCE for types only (struct tcp_info); that they call nothing, check-purity proves.
WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wswitch-enum -Wvla -Wmissing-prototypes $(WERROR)
BASE := -std=c11 -g $($(VARIANT)_FLAGS) $(WARN)
HOST := -D_GNU_SOURCE -pthread
INC_core  := -Iinclude -Isrc/core
INC_sock  := $(INC_core) -Isrc/sock -D_DEFAULT_SOURCE
INC_host  := $(INC_core) -Isrc/sock -Isrc/host $(HOST)
INC_tools := -Iinclude $(HOST)
INC_tests := $(INC_host) -Itests/support -Itools
LINK = $(CC) $($(VARIANT)_FLAGS) -pthread $(CFLAGS) $(LDFLAGS) -o $@

# ---- What is built from what ----------------------------------------------------------------------------------
# A test program is tests/GROUP/test_NAME.c, linked with the library, tests/support and its group's other files.
GROUPS_QUICK := unit tcp link sock
TEST_GROUPS  := $(GROUPS_QUICK) e2e
LIB_SRC      := $(wildcard src/core/*.c src/sock/*.c src/host/*.c)
TOOL_SRC     := $(wildcard tools/*.c)
TEST_SRC     := $(foreach g,$(TEST_GROUPS),$(wildcard tests/$(g)/test_*.c))
SUPPORT_SRC  := $(filter-out $(TEST_SRC),$(wildcard tests/support/*.c $(TEST_GROUPS:%=tests/%/*.c)))
BENCH_SRC    := $(wildcard tests/bench/*.c)
RECOVERY_SRC := $(filter-out tests/bench/path_%,$(BENCH_SRC))
ALL_SRC      := $(LIB_SRC) $(TOOL_SRC) $(TEST_SRC) $(SUPPORT_SRC) $(BENCH_SRC)
TESTS        := $(TEST_SRC:%.c=$(B)/%)
obj = $(patsubst %.c,$(B)/%.o,$(1))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all tests test check figures bench-recovery bench-path static tidy demo plot setup format install clean help list-tests show-B

all: $(B)/librill.a $(if $(TOOL_SRC),$(B)/rill)   ## build/librill.a and build/rill (the default)

tests: all $(TESTS) $(if $(RECOVERY_SRC),$(B)/bench-recovery)   ## build every test program

# The kind of a source is the directory below src/, else the first one.
kind = $(if $(filter src/%,$(1)),$(word 2,$(subst /, ,$(1))),$(firstword $(subst /, ,$(1))))
$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE) $(INC_$(call kind,$*)) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/tools/page.o: $(wildcard tools/page.*)

$(B)/librill.a: $(call obj,$(LIB_SRC))
	@mkdir -p $(@D) && rm -f $@
	$(AR) rcs $@ $^

$(B)/libsupport.a: $(call obj,$(SUPPORT_SRC))
	@mkdir -p $(@D) && rm -f $@
	$(AR) rcs $@ $^

# All of the command but its main, for tests that call into it.
$(B)/libtools.a: $(call obj,$(filter-out tools/main.c,$(TOOL_SRC)))
	@mkdir -p $(@D) && rm -f $@
	$(AR) rcs $@ $^

$(B)/rill: $(B)/tools/main.o $(B)/libtools.a $(B)/librill.a
	$(LINK) $^ -lm

$(TESTS): $(B)/%: $(B)/%.o $(B)/libsupport.a $(B)/libtools.a $(B)/librill.a
	$(LINK) $^ -lcmocka -lm

$(B)/bench-recovery: $(call obj,$(RECOVERY_SRC)) $(B)/librill.a
	$(LINK) $^

$(B)/path_run: $(call obj,$(wildcard tests/bench/path_*.c)) $(B)/libsupport.a $(B)/librill.a
	$(LINK) $^ -lcmocka -lm

-include $(patsubst %.o,%.d,$(call obj,$(ALL_SRC)))

# clang-tidy reads .clang-tidy; the stamp saves the time for what has not changed.
$(B)/%.tidy: %.c $(wildcard .clang-tidy tests/.clang-tidy) $(B)/%.o
	clang-tidy --quiet --warnings-as-errors='*' $< -- -std=c11 $(WARN) $(INC_$(call kind,$*))
	@touch $@
tidy: $(patsubst %.c,$(B)/%.tidy,$(ALL_SRC))

# ---- What people type -------------------------------------------------------------------------------------------
test:                           ## the quick tests (unit, tcp, link, sock) of one VARIANT
	@tests/run.sh $(GROUPS_QUICK:%=$(VARIANT):%)

check:                          ## everything: set-up, all tests in all variants, static checks, end to end
	@tools/setup || true
	@tests/run.sh all

figures: all $(B)/tests/link/test_resources   ## code lines, text, bytes per connection
	@BUILD=$(B) tests/figures

bench-recovery: $(B)/bench-recovery   ## throughput by loss, and goals, in virtual time; SAVE=yes for a new tests/bench/recovery.txt
	@BUILD=$(B) tests/check-bench $(if $(filter yes,$(SAVE)),--save)

bench-path: $(B)/path_run       ## goodput against the kernel over lossy paths, an hour; ARGS="--runs 3 --cell 20,1,0"
	@PATH_RUN=$(B)/path_run tests/bench/bench-path --out $(B)/bench-path.tsv $(ARGS)

static:                         ## only the static checks: layers, purity, style, clang-tidy, cppcheck
	@tests/run.sh static

demo:                           ## the tour: ping, nc and a lossy hop, in a namespace of its own
	@tools/setup || true
	@$(MAKE) --no-print-directory -s all
	@RILL=$(B)/rill tools/demo

plot: all $(B)/tests/link/test_plot   ## tests/plot.svg, the picture in README.md, from a run in virtual time
	@$(B)/tests/link/test_plot --story $(B)/story.ndjson >$(B)/story.log 2>&1 || { cat $(B)/story.log; false; }
	@$(B)/rill plot $(B)/story.ndjson -o tests/plot.svg

setup:                          ## install what make check and make demo need (SETUP=no only reports)
	@tools/setup

format:                         ## clang-format all sources in place
	clang-format -i $(ALL_SRC) $(wildcard include/*.h src/*/*.h tests/*/*.h tools/*.h)

install: all                    ## to $(DESTDIR)$(PREFIX): bin/rill, lib/librill.a, include/*.h
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include
	install -m 755 $(B)/rill $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/librill.a $(DESTDIR)$(PREFIX)/lib/
	install -m 644 include/*.h $(DESTDIR)$(PREFIX)/include/

clean:                          ## remove all that was built
	rm -rf $(OUT)

help:                           ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo '  VARIANT=gcc|clang|san picks compiler, flags and build directory'

# For the scripts in tests/: the one place that knows names is this file.
list-tests:
	@printf '%s\n' $(TESTS)
show-B:
	@echo $(B)
