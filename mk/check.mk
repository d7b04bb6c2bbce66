# Tests. Every test prints TAP; tests/run sums up.

TEST_BINS   := $(TESTS:%=$(B)/%)
GOLDEN_BINS := $(GOLDEN_RUNNERS:%=$(B)/%)

.PHONY: check-deps
check: check-deps all $(TEST_BINS) $(GOLDEN_BINS)  ## run every test (units, golden cases, command line, manual pages)
	@BT_BUILD=$(abspath $(B)) sh tests/run $(TEST_BINS) $(GOLDEN_BINS) $(BATS)

check-unit: all $(TEST_BINS)  ## run the C tests alone
	@BT_BUILD=$(abspath $(B)) sh tests/run $(TEST_BINS)

# GOLDEN=DIR is a directory laid out like tests/golden: models, tokenizers, images, metrics, any of them.
GOLDEN ?= tests/golden
check-golden: $(GOLDEN_BINS)  ## run every golden case under GOLDEN=DIR, a line a case
	@BT_BUILD=$(abspath $(B)) sh tests/golden/run $(GOLDEN) $(GOLDEN_BINS)

check-deps:
	@sh mk/deps.sh $(DEB_ALL)
