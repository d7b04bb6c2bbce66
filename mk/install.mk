# Installation below DESTDIR and PREFIX. `uninstall` removes what `install` put there, and nothing else.

BINDIR  := $(PREFIX)/bin
MANDIR  := $(PREFIX)/share/man
COMPDIR := $(PREFIX)/share/bash-completion/completions
BTDIR   := $(PREFIX)/share/bt
DOCDIR  := $(PREFIX)/share/doc/bt

PAGES     := $(notdir $(wildcard man/bt-*.[157]))
PIPELINES := $(shell find pipelines -type f | sort)
DOCS      := README.md CHANGELOG.md LICENSE

# man/man1/bt-train.1 from bt-train.1
section = man$(patsubst .%,%,$(suffix $(1)))/$(1)
INSTALLED = $(TOOLS:%=$(BINDIR)/%) $(TOOLS:%=$(COMPDIR)/%) $(foreach p,$(PAGES),$(MANDIR)/$(call section,$(p))) \
            $(PIPELINES:%=$(BTDIR)/%) $(DOCS:%=$(DOCDIR)/%)

.PHONY: uninstall
install: all  ## install programs, pages, completion and pipelines below PREFIX (and DESTDIR)
	install -d $(addprefix $(DESTDIR),$(sort $(dir $(INSTALLED))))
	install -m 755 $(BINS) $(DESTDIR)$(BINDIR)
	for page in $(PAGES); do install -m 644 man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.} || exit; done
	for tool in $(TOOLS); do $(B)/bin/$$tool --completion=bash >$(DESTDIR)$(COMPDIR)/$$tool || exit; done
	for file in $(PIPELINES); do install -m 644 $$file $(DESTDIR)$(BTDIR)/$$file || exit; done
	install -m 644 $(DOCS) $(DESTDIR)$(DOCDIR)

uninstall:  ## remove what was installed there
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	for dir in $(addprefix $(DESTDIR),$(BTDIR) $(DOCDIR)); do \
	  if [ -d $$dir ]; then find $$dir -depth -type d -empty -delete; fi; done
