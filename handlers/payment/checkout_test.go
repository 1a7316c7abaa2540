package payment

import (
	"testing"

	"github.com/caddypay/caddypay/handlers/problem"
)

// The page offers no other try after codes that there are.
func TestCheckoutFinalCodes(t *testing.T) {
	for _, code := range finalCodes {
		if problem.Sentence(code, true) == "" {
			t.Errorf("no such code: %s", code)
		}
	}
}
