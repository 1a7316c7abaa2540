package file_test

import (
	"encoding/binary"
	"os"
	"testing"
)

// TestPowerFailsWhileMade: the power fails while SQLite makes a new ledger, between two folders' forcings: its first page and the head of its -wal
// file are on the disk, and so is still the journal that undoes them. Nothing was acknowledged by then, and the ledger is made anew.
func TestPowerFailsWhileMade(t *testing.T) {
	file := newFile(t)
	must(t, openFileOnce(t, file))
	page, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(file, page[:4096], 0o600))
	must(t, os.WriteFile(file+"-wal", make([]byte, logHeader), 0o600))
	journal := append(make([]byte, 0, 512), 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7)
	for _, n := range []uint32{0, 7, 0, 512, 4096} { // records, a nonce, pages before, sector, page
		journal = binary.BigEndian.AppendUint32(journal, n)
	}
	must(t, os.WriteFile(file+"-journal", journal[:512], 0o600))
	l := openFile(t, file)
	appendEvents(t, l, "evt_1")
	has(t, l, "evt_1")
	sound(t, l)
}
