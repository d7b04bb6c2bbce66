# Tests. Every test prints TAP; tests/run sums up.

TEST_BINS := $(TESTS:%=$(B)/%)

check: check-deps all $(TEST_BINS)  ## run every test (unit, golden, command line, man pages)
	@BT_BUILD=$(abspath $(B)) sh tests/run $(TEST_BINS) $(BATS)

check-unit: all $(TEST_BINS)  ## run the C tests alone
	@BT_BUILD=$(abspath $(B)) sh tests/run $(TEST_BINS)

check-deps:
	@sh mk/deps.sh $(DEB_ALL)

.PHONY: check-deps
