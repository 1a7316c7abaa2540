package file_test

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddypay/caddypay/ledger/sqlite/file"
)

// A ledger where fsync and locks are somebody else's is a warning when it is opened, and none is said of a local disk.
func TestForeignFileSystem(t *testing.T) {
	for _, tt := range []struct {
		magic uint32
		want  string
	}{
		{0x6969, "NFS"}, {0xff534d42, "CIFS"}, {0xfe534d42, "CIFS"}, {0x01021997, "9p"}, {0x65735546, "FUSE"},
		{0xef53, ""}, {0x9123683e, ""}, {0x58465342, ""}, {0x01021994, ""}, {0x794c7630, ""}, // ext4, btrfs, XFS, tmpfs, overlayfs
	} {
		core, logs := observer.New(zap.WarnLevel)
		asked := ""
		file := newFile(t)
		l, err := openOn(t, file, zap.New(core), func(file string) string { asked = file; return foreign(tt.magic) })
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		said := logs.FilterMessageSnippet("put it on a local disk").All()
		switch {
		case asked != file:
			t.Errorf("asked about %q, not about %s", asked, file)
		case tt.want == "" && len(said) > 0, tt.want != "" && (len(said) != 1 || said[0].ContextMap()["file_system"] != tt.want || said[0].ContextMap()["file"] != file):
			t.Errorf("%#x: %v, want %q", tt.magic, said, tt.want)
		}
	}
	if got := magic("/proc/self/status"); got != 0x9fa0 {
		t.Errorf("/proc is %#x", got)
	}
	if got := magic("/proc/self/none"); got != 0 {
		t.Errorf("what is not there is %#x", got)
	}
}

var foreign, magic = file.Foreign, file.Magic

// openOn opens a file without any table on a file system of some kind.
func openOn(t *testing.T, path string, log *zap.Logger, fileSystem func(file string) string) (*file.File, error) {
	t.Helper()
	return file.Open(t.Context(), file.Options{Path: path, Logger: log}.On(fileSystem), file.Engine{
		Schema: file.Schema{Version: 1},
		Opened: func(*file.Conn) error { return nil },
	})
}
