# Performance, against a named peer in the same run: one line a figure, "name ours peer ratio goal met|short".

BENCHES := $(patsubst tests/bench/%,%,$(basename $(wildcard tests/bench/*.c tests/bench/*.sh)))

.PHONY: bench $(BENCHES:%=bench-%)
bench: $(BENCHES:%=bench-%)  ## measure; bench-NAME for one family

$(patsubst tests/bench/%.c,bench-%,$(wildcard tests/bench/*.c)): bench-%: $(B)/tests/bench/%
	@$<

$(patsubst tests/bench/%.sh,bench-%,$(wildcard tests/bench/*.sh)): bench-%: all
	@bash tests/bench/$*.sh $(abspath $(B))

# Fuzzing needs clang and libFuzzer; each target runs FUZZ_SECONDS. `make check` replays the corpora.
FUZZ_SECONDS ?= 600
FUZZERS := $(filter-out replay,$(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c)))

.PHONY: fuzz
fuzz:  ## fuzz every decoder (FUZZ_SECONDS=600 each; needs clang)
	@$(MAKE) --no-print-directory CC=clang SANITIZE=address,undefined,fuzzer-no-link fuzz-run

.PHONY: fuzz-run
fuzz-run: $(FUZZERS:%=$(B)/fuzz/%)
	@for f in $^; do echo "fuzz $$(basename $$f)"; mkdir -p build/corpus/$$(basename $$f); \
	  $$f -max_total_time=$(FUZZ_SECONDS) build/corpus/$$(basename $$f) tests/fuzz/corpus/$$(basename $$f) || exit 1; done

$(B)/fuzz/%: $(B)/tests/fuzz/%.o $(B)/libbt.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LDLIBS_ALL)
