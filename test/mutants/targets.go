package main

// group is packages whose code is changed together, and the packages whose tests have to notice.
type group struct {
	name    string
	changed []source
	tests   []string
}

// source is a package of this module, and which of its files are changed (patterns of their names; none: all).
type source struct {
	pkg   string
	files []string
}

// groups are all that `make mutants` is about: what decides over money. This is the one place that names packages.
var groups = []group{
	{
		name:    "core",
		changed: []source{{pkg: "ledger/core"}},
		tests:   []string{"ledger/core", "ledger/ledgertest/memory"},
	},
	{
		name:    "sqlite",
		changed: []source{{pkg: "ledger/sqlite"}, {pkg: "ledger/sqlite/file"}},
		tests:   []string{"ledger/sqlite", "ledger/sqlite/file"},
	},
	{
		name:    "relay",
		changed: []source{{pkg: "relay"}, {pkg: "relay/asking"}, {pkg: "relay/intake"}, {pkg: "relay/nightly"}, {pkg: "relay/reconcile"}, {pkg: "relay/refunds"}, {pkg: "relay/shipping"}},
		tests:   []string{"relay", "relay/asking", "relay/intake", "relay/nightly", "relay/reconcile", "relay/refunds", "relay/shipping"},
	},
	{
		name:    "handlers",
		changed: []source{{pkg: "handlers/payment"}, {pkg: "handlers/merchant"}, {pkg: "session"}},
		tests:   []string{"handlers", "handlers/payment", "handlers/merchant", "session"},
	},
	{
		name:    "pingpp",
		changed: []source{{pkg: "pingpp"}, {pkg: "pingpp/channel"}},
		tests:   []string{"pingpp", "pingpp/channel"},
	},
}
