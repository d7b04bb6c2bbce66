# Fuzzing needs clang and libFuzzer; each target runs FUZZ_SECONDS, from its seeds and what earlier runs found.
FUZZ_SECONDS ?= 600
FUZZERS := $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))

.PHONY: fuzz fuzz-run
fuzz:  ## fuzz every reader and decoder (FUZZ_SECONDS=600 each; needs clang)
	@$(MAKE) --no-print-directory CC=clang SANITIZE=address,undefined,fuzzer-no-link fuzz-run

fuzz-run: $(FUZZERS:%=$(B)/fuzz/%)
	@for f in $^; do name=$$(basename $$f); echo "fuzz $$name"; mkdir -p build/corpus/$$name; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -timeout=30 -rss_limit_mb=4096 build/corpus/$$name tests/fuzz/corpus/$$name || exit 1; done

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/libbt.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LDLIBS_ALL)

# `make check` replays the seeds without libFuzzer.
REPLAYS := $(FUZZERS:%=$(B)/replay/%)
$(B)/replay/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libbt.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
