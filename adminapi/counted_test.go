package adminapi

import "testing"

// Attempts that found the backend unreachable bear the number of the one that counts after them, or of one that is still to come.
func TestCounted(t *testing.T) {
	all := []DeliveryView{{Attempt: 1}, {Attempt: 1}, {Attempt: 2}, {Attempt: 3}}
	for attempts, want := range map[int][]bool{2: {false, true, true, false}, 3: {false, true, true, true}} {
		for i := range all {
			if counted(attempts, all, i) != want[i] {
				t.Errorf("%d count: the attempt at %d is said to count: %v", attempts, i, !want[i])
			}
		}
	}
}
