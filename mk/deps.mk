# What bt needs from the system, and how to get it. Sets PKG_CFLAGS and PKG_LIBS.

DEB_BUILD := gcc make pkg-config libdnnl-dev libmsgpack-dev liblmdb-dev libzstd-dev libjansson-dev \
             libjpeg62-turbo-dev libpng-dev libwebp-dev libgif-dev libarchive-dev libutf8proc-dev libxxhash-dev \
             libssl-dev libstemmer-dev zlib1g-dev libisal-dev
DEB_DEMO  := jq libpango1.0-dev fonts-noto-color-emoji unicode-cldr-core unicode-data wordnet-base
DEB_CHECK := bats mandoc
DEB_ALL   := $(DEB_BUILD) $(DEB_DEMO) $(DEB_CHECK)

PKGS := msgpack lmdb libzstd jansson libjpeg libpng libwebp libwebpdemux libarchive zlib libisal libutf8proc libxxhash libcrypto
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -ldnnl -lgif -lstemmer

.PHONY: deps deps-probe
deps:  ## install the Debian packages that bt needs (or print the line that does)
	@sh mk/deps.sh $(DEB_ALL)

deps-probe:
	@sh mk/probe.sh "$(CC)" $(PKGS)
