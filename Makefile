# bt: one non-recursive build. `make help` lists the targets.

VERSION := 0.1.0
PREFIX  ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
# CUDA=auto builds the CUDA backend where there is one to build; 0 leaves it out; 1 insists.
CUDA    ?= auto
ifeq ($(filter auto 0 1,$(CUDA)),)
$(error CUDA=$(CUDA): use auto, 0 or 1)
endif
ifeq ($(CUDA)$(wildcard kernels/cuda/*.cu),1)
$(error CUDA=1: this version has no CUDA backend; use CUDA=auto or CUDA=0)
endif
# The machine the kernels are compiled for; everything else runs on any x86-64 or aarch64.
MARCH   ?= native
# SANITIZE=address,undefined builds and tests with sanitizers, in a folder of its own.
SANITIZE ?=
# WERROR=1 makes warnings errors (CI does).
WERROR  ?=

comma  := ,
CONFIG := $(notdir $(firstword $(CC)))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
B      ?= build/$(CONFIG)

MODULES ?= base stream shard image text metrics tensor comm nn model generate train
LIB_SRC := $(foreach m,$(MODULES),$(wildcard libcommon/$(m)/*.c)) $(wildcard kernels/*.c kernels/cpu/*.c)
TOOLS   := $(patsubst tools/%.c,%,$(wildcard tools/bt-*.c))
# Not tests to run one by one: fuzz targets, benchmarks, golden runners, parts of parity scripts, libraries of faults.
OTHERS  := $(addprefix tests/,fuzz/% bench/% golden/% parity/% faults/%)
TESTS   := $(patsubst %.c,%,$(filter-out $(OTHERS),$(wildcard tests/*/*.c)))
GOLDEN_RUNNERS := $(patsubst %.c,%,$(wildcard tests/golden/*.c))
BATS    := $(wildcard tests/cli/*.bats)

include mk/deps.mk

# ---------------------------------------------------------------- flags
WARN   := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
          -Wwrite-strings -Wundef -Wno-sign-conversion $(if $(WERROR),-Werror)
OPT    := $(if $(SANITIZE),-O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all,-O3)
# Contraction off: the image and metric code is exact to the bit (images.md 3.5).
CFLAGS ?= -g
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DBT_VERSION='"$(VERSION)"' -I. $(OPT) $(WARN) -ffp-contract=off -fopenmp \
          -pthread $(CFLAGS) $(PKG_CFLAGS)
KERNEL_FLAGS := -march=$(MARCH) -ffp-contract=fast -fno-math-errno -fno-trapping-math
LDLIBS_ALL = $(PKG_LIBS) -ldl -lm $(LDLIBS)
LDFLAGS_ALL = $(OPT) -fopenmp -pthread $(LDFLAGS)

LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
BINS    := $(TOOLS:%=$(B)/bin/%)

# ---------------------------------------------------------------- targets
.PHONY: all help deps demo check check-unit check-golden bench fuzz install clean format FORCE
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

all: $(BINS)  ## build every tool into $(B)/bin
	@mkdir -p build && ln -sfn $(abspath $(B)/bin) build/bin

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  variables: CC SANITIZE=address,undefined CUDA=auto|0|1 MARCH=native PREFIX DESTDIR WERROR=1"

$(B)/kernels/%.o: kernels/%.c | deps-probe
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(B)/%.o: %.c | deps-probe
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/libbt.a: $(LIB_OBJ)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/%: $(B)/tools/%.o $(B)/libbt.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

$(B)/tests/%: $(B)/tests/%.o $(B)/libbt.a
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)

Q := $(if $(V),,@)
-include $(shell find $(B) -name '*.d' 2>/dev/null)

include mk/fuzz.mk
include mk/check.mk
include mk/install.mk
include mk/demo.mk
include mk/bench.mk

clean:  ## remove what was built
	rm -rf build
