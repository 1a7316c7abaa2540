package session

import (
	"bytes"
	"strings"
	"testing"
)

// Five bits make one character of the alphabet, and every character can come.
func TestRandomText(t *testing.T) {
	if len(alphabet) != 32 {
		t.Error("five bits do not make one character of the alphabet")
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	if got := RandomText(bytes.NewReader(every), len(every)); got != strings.Repeat(alphabet, 8) {
		t.Errorf("got %s", got)
	}
}
