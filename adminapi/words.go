package adminapi

import "fmt"

// Yuan writes an amount in fen.
func Yuan(fen int64) string { return fmt.Sprintf("¥%d.%02d", fen/100, fen%100) }

// Who says who decided, as Caddy knows it, and as that says itself.
func Who(by, said string) string {
	if said == "" {
		return by
	}
	return by + " (" + said + ")"
}
