# The demonstration. Its data builder is the only program that needs Pango; `all` does not build it.

EMOJI_OBJ  := $(patsubst %.c,$(B)/%.o,$(wildcard data/emoji/*.c))
EMOJI_BASE := $(patsubst %.c,$(B)/%.o,$(wildcard libcommon/base/*.c))

# System headers: what GLib's macros do is not ours to warn about.
$(EMOJI_OBJ): PKG_CFLAGS += $(patsubst -I%,-isystem %,$(shell pkg-config --cflags pangocairo 2>/dev/null))

$(B)/bin/emoji-scenes: $(EMOJI_OBJ) $(EMOJI_BASE)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $$(pkg-config --libs pangocairo) $(LDLIBS_ALL)

check: $(B)/bin/emoji-scenes
