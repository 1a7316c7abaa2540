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
		changed: []source{{pkg: "ledger/sqlite"}},
		tests:   []string{"ledger/sqlite"},
	},
	{
		name:    "relay",
		changed: []source{{pkg: "relay"}},
		tests:   []string{"relay"},
	},
	{
		name: "handlers",
		changed: []source{{pkg: "handlers", files: []string{
			"attempt.go", "backend_refusal.go", "charge.go", "charges.go", "client_amount.go", "order_no.go", "orders.go", "quote*.go", "refund*.go", "reuse.go",
			"reverse.go", "sessions.go", "unknown.go", "unpriced.go",
		}}},
		tests: []string{"handlers"},
	},
	{
		name:    "pingpp",
		changed: []source{{pkg: "pingpp"}},
		tests:   []string{"pingpp"},
	},
}
