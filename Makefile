# Each target is one or two commands; `make help` lists them.
TARGET  := x86_64-unknown-linux-gnu
BINARY  := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)/release/baton
DESTDIR ?=
PREFIX  ?= /usr
OCF_DIR ?= $(PREFIX)/lib/ocf/resource.d/baton
STAGE   := stage

.DEFAULT_GOAL := help
.PHONY: help build check test demo bench soak install stage clean $(BINARY)

help: ## this text
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

build: $(BINARY) ## the static binary, in target/

$(BINARY):
	cargo build --release

check: ## the fast inner loop: format, lints, unit and contract tests; no cluster; installs what is missing
	tests/setup check
	cargo fmt --check
	rustfmt --check --edition 2024 src/floating_ip/provider/*.rs
	cargo clippy --all-targets -- -D warnings
	cargo test --bins --test contract --test metadata --test tidy

test: ## every test, on real clusters too; installs what is missing
	tests/run

demo: ## a real failover under load, four times, with its timeline; installs what is missing
	tests/setup demo
	$(MAKE) --no-print-directory stage
	cargo test --quiet --test cluster -- demo $(ARGS)

bench: ## what a client sees of each fault, medians of five, and what the agents cost
	tests/setup bench
	$(MAKE) --no-print-directory stage
	cargo test --quiet --test cluster -- --repeat 5 server-killed power-off switchover server-frozen
	cargo test --quiet --release --test server cost -- --nocapture
	cargo test --quiet --release --test comparison -- --nocapture
	cargo test --quiet --release --test replication cost -- --nocapture --test-threads 1
	cargo test --quiet --release --test netns cost -- --nocapture --test-threads 1

soak: ## FAULTS=n faults in random order (SEED=s: the same again), until a promise is broken: then the lab is kept
	tests/setup
	$(MAKE) --no-print-directory stage
	cargo test --quiet --test cluster -- soak $(or $(FAULTS),100) $(SEED) $(ARGS)

install: $(BINARY) ## the binary, its links, metadata, examples and docs under DESTDIR
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/sbin/baton
	install -d $(DESTDIR)$(OCF_DIR) $(DESTDIR)$(PREFIX)/share/baton/ocf-metadata \
	    $(DESTDIR)$(PREFIX)/share/doc/baton/crm-examples $(DESTDIR)$(PREFIX)/share/doc/baton/docs
	ln -sfr $(DESTDIR)$(PREFIX)/sbin/baton $(DESTDIR)$(OCF_DIR)/mysql
	ln -sfr $(DESTDIR)$(PREFIX)/sbin/baton $(DESTDIR)$(OCF_DIR)/floating-ip
	ln -sfr $(DESTDIR)$(PREFIX)/sbin/baton $(DESTDIR)$(PREFIX)/sbin/fence_baton
	install -d $(DESTDIR)$(PREFIX)/share/man/man8
	$(BINARY) fence_baton --action manpage >$(DESTDIR)$(PREFIX)/share/man/man8/fence_baton.8
	install -m 644 ocf-metadata/*.xml $(DESTDIR)$(PREFIX)/share/baton/ocf-metadata/
	install -m 644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/baton/
	install -m 644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/baton/docs/
	install -m 644 crm-examples/* $(DESTDIR)$(PREFIX)/share/doc/baton/crm-examples/

stage: ## the tree that `make install` makes, for the lab
	rm -rf $(STAGE)
	$(MAKE) install DESTDIR=$(CURDIR)/$(STAGE)

clean:
	cargo clean
	rm -rf $(STAGE)
