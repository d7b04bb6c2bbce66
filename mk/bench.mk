# Performance, against a named peer in the same run: one line a figure, "name ours peer ratio goal met|short".

BENCHES := $(patsubst tests/bench/%,%,$(basename $(wildcard tests/bench/*.c tests/bench/*.sh)))

.PHONY: bench $(BENCHES:%=bench-%)
bench: $(BENCHES:%=bench-%)  ## measure; bench-NAME for one family

$(patsubst tests/bench/%.c,bench-%,$(wildcard tests/bench/*.c)): bench-%: $(B)/tests/bench/%
	@$<

$(patsubst tests/bench/%.sh,bench-%,$(wildcard tests/bench/*.sh)): bench-%: all
	@bash tests/bench/$*.sh $(abspath $(B))
