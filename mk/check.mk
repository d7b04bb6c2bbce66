# Tests. Every test prints TAP; tests/run sums up.

TEST_BINS   := $(TESTS:%=$(B)/%)
# The longest first, so that both cores stay busy to the end.
LONG_BATS   := $(wildcard $(addprefix tests/cli/,demo.bats bt-train.bats pipelines.bats man.bats))
GOLDEN_BINS := $(GOLDEN_RUNNERS:%=$(B)/%)

# What makes calls of the system fail, for a tool to be run under it.
FAULTS := $(B)/tests/faults/faults.so
$(FAULTS): tests/faults/faults.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -O1 $(WARN) -fPIC -shared -o $@ $< -ldl

.PHONY: check-deps
check: check-deps all $(TEST_BINS) $(GOLDEN_BINS) $(REPLAYS) $(FAULTS)  ## run every test (units, golden cases, command line, manual pages)
	@BT_BUILD=$(abspath $(B)) sh tests/run $(LONG_BATS) $(filter-out $(LONG_BATS),$(BATS)) $(TEST_BINS) $(GOLDEN_BINS) $(REPLAYS)

check-unit: all $(TEST_BINS)  ## run the C tests alone
	@BT_BUILD=$(abspath $(B)) sh tests/run $(TEST_BINS)

# GOLDEN=DIR is a directory laid out like tests/golden: models, tokenizers, images, metrics, any of them.
GOLDEN ?= tests/golden
check-golden: $(GOLDEN_BINS)  ## run every golden case under GOLDEN=DIR, a line a case
	@BT_BUILD=$(abspath $(B)) sh tests/golden/run $(GOLDEN) $(GOLDEN_BINS)

check-deps:
	@sh mk/deps.sh $(DEB_ALL)

# Byte by byte beside the reference implementations, which these fetch themselves; on demand. See tests/parity/README.md.
.PHONY: parity
parity:  ## list the comparisons with reference implementations; parity-NAME runs one
	@ls tests/parity/*.sh | sed 's,.*/\(.*\)\.sh,make parity-\1,'

parity-%: all
	@bash tests/parity/$*.sh $(abspath $(B))

parity-images: $(B)/tests/parity/images
parity-lower: $(B)/tests/parity/lower
