# The demonstration. Its data builder is the only program that needs Pango; `all` does not build it.

EMOJI_OBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard data/emoji/*.c))
EMOJI_BASE := $(patsubst %.c,$(B)/%.o,$(wildcard libcommon/base/*.c))

# System headers: what GLib's macros do is not ours to warn about.
$(EMOJI_OBJ): PKG_CFLAGS += $(patsubst -I%,-isystem %,$(shell pkg-config --cflags pangocairo 2>/dev/null))

$(B)/bin/emoji-scenes: $(EMOJI_OBJ) $(EMOJI_BASE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $$(pkg-config --libs pangocairo) $(LDLIBS_ALL)

check: $(B)/bin/emoji-scenes

# `make demo`: everything, set-up included. The steps are in data/emoji/demo.mk.
DEMO ?= demo$(if $(QUICK),-quick)
.PHONY: demo demo-clean
demo:  ## train BLIP-T on pictures made here, caption new ones, score them (QUICK=1: about 3 minutes)
	@sh mk/deps.sh $(DEB_BUILD) $(DEB_DEMO)
	@$(MAKE) --no-print-directory all $(B)/bin/emoji-scenes
	@$(MAKE) -j1 --no-print-directory -f data/emoji/demo.mk BIN=$(abspath $(B))/bin DEMO=$(DEMO) \
	  $(if $(QUICK),RECIPES=pipelines/recipes/emoji-quick PICTURES="--train 8000 --val 20 --test 60 --documents 12000")

demo-clean:  ## remove what the demonstration made
	rm -rf demo demo-quick
